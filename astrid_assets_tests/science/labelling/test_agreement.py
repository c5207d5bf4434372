"""Kappa against published examples and its own definition."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.labelling.agreement import (
    cohen_kappa,
    fleiss_kappa,
)


def test_cohens_kappa_of_the_usual_example():
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: p_o = 0.7, p_e = 0.5.
    first = ["real"] * 25 + ["bogus"] * 25
    second = ["real"] * 20 + ["bogus"] * 5 + ["real"] * 10 + ["bogus"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_fleiss_kappa_of_the_published_example():
    # Fleiss 1971, fourteen raters, ten subjects, five categories: 0.210.
    counts = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


def test_full_agreement_is_one_and_guessing_is_nothing(rng):
    labels = rng.choice(["real", "bogus"], 4000)
    assert cohen_kappa(labels, labels) == pytest.approx(1)
    other = rng.choice(["real", "bogus"], 4000)
    assert cohen_kappa(labels, other) == pytest.approx(0, abs=0.05)


def test_always_disagreeing_is_minus_one():
    assert cohen_kappa(["real", "bogus"], ["bogus", "real"]) == pytest.approx(-1)


def test_one_label_only_says_nothing():
    assert cohen_kappa(["real", "real"], ["real", "real"]) is None
    assert fleiss_kappa(np.array([[0, 3], [0, 3]])) is None


def test_no_second_vote_says_nothing():
    assert cohen_kappa([], []) is None
    assert fleiss_kappa(np.array([[0, 1], [1, 0]])) is None


def test_detections_with_one_vote_do_not_change_kappa():
    counts = np.array([[2, 1], [0, 3], [3, 0]])
    more = np.vstack([counts, [[1, 0]] * 50])
    assert fleiss_kappa(more) == fleiss_kappa(counts)


def test_lists_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="2 and 1"):
        cohen_kappa(["real", "real"], ["real"])
