"""Classes that a label may name."""

from __future__ import annotations

from astrid_assets.science.labelling.classes import CLASSES


def test_no_class_is_both_real_and_bogus():
    assert set(CLASSES) == {"real", "bogus"}
    assert CLASSES["real"].keys() & CLASSES["bogus"].keys() == set()


def test_every_class_has_words_of_its_own():
    words = [text for classes in CLASSES.values() for text in classes.values()]
    assert len(set(words)) == len(words)
    assert all(text.strip() for text in words)
