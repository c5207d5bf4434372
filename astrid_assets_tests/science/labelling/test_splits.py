"""Splits: no object on two sides, stable when the dataset grows, both classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.labelling.splits import (
    SPLITS,
    TooFewGroups,
    assign_splits,
    connected_groups,
    sky_groups,
)

ARCSEC = 1 / 3600


def test_detections_of_one_place_share_a_key_whatever_cell_they_fall_in(rng):
    # Places 10 arcsec apart, five times the reach of the friends.
    number = np.repeat(np.arange(30), 8)
    ra = 150.1 + (number % 6) * 10 * ARCSEC
    dec = 2.1 + (number // 6) * 10 * ARCSEC
    keys = sky_groups(
        ra + rng.normal(0, 0.2, 240) * ARCSEC, dec + rng.normal(0, 0.2, 240) * ARCSEC, 2
    )
    assert len(np.unique(keys)) == 30
    for start in range(0, 240, 8):
        assert len(set(keys[start : start + 8])) == 1


def test_right_ascension_wraps_around_and_poles_are_no_trouble():
    ra = np.array([359.9999, 0.0001, 10.0, 190.0])
    dec = np.array([0.0, 0.0, 89.9999, 89.9999])
    keys = sky_groups(ra, dec, 1.0)
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_unknown_places_have_no_key():
    keys = sky_groups(np.array([1.0, np.nan]), np.array([1.0, 2.0]), 1.0)
    assert keys[0] != ""
    assert keys[1] == ""
    assert sky_groups(np.array([np.nan]), np.array([np.nan]), 1.0).tolist() == [""]


def test_rows_are_joined_through_any_key():
    names = ["a", "b", "c", "d", "e"]
    place = np.array(["1", "1", "2", "", ""])
    source = np.array(["", "x", "x", "", ""])
    assert connected_groups(names, place, source).tolist() == ["a", "a", "a", "d", "e"]


def test_without_keys_every_row_is_its_own_group():
    assert connected_groups(["a", "b"]).tolist() == ["a", "b"]


@pytest.mark.slow
@settings(deadline=None)
@given(st.data())
def test_no_group_is_on_two_sides(data):
    groups = np.array(data.draw(st.lists(st.integers(0, 30), min_size=60, max_size=200))).astype(
        str
    )
    labels = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(groups), max_size=len(groups)))
    )
    try:
        split = assign_splits(groups, labels)
    except TooFewGroups:
        return
    for group in np.unique(groups):
        assert len(set(split[groups == group])) == 1
    for name in SPLITS:
        assert set(labels[split == name]) == {False, True}


def test_a_group_keeps_its_split_when_the_dataset_grows(rng):
    names = np.array([f"object-{number}" for number in range(400)])
    labels = rng.random(400) < 0.5
    first = assign_splits(names[:200], labels[:200])
    grown = assign_splits(names, labels)
    np.testing.assert_array_equal(grown[:200], first)


def test_the_order_of_the_rows_does_not_matter(rng):
    names = np.array([f"object-{number}" for number in range(100)])
    labels = rng.random(100) < 0.5
    order = rng.permutation(100)
    np.testing.assert_array_equal(
        assign_splits(names[order], labels[order]), assign_splits(names, labels)[order]
    )


def test_the_fractions_are_kept_on_average():
    names = np.arange(5000).astype(str)
    split = assign_splits(names, np.arange(5000) % 2 == 0)
    share = {name: (split == name).mean() for name in SPLITS}
    assert share["train"] == pytest.approx(0.7, abs=0.02)
    assert share["val"] == pytest.approx(0.15, abs=0.02)
    assert share["test"] == pytest.approx(0.15, abs=0.02)


def test_another_seed_is_another_split():
    names = np.arange(100).astype(str)
    labels = np.arange(100) % 2 == 0
    assert (assign_splits(names, labels) != assign_splits(names, labels, seed=1)).any()


@pytest.mark.parametrize("seed", range(30))
def test_three_objects_of_each_class_are_enough(seed):
    names = np.array(["a", "b", "c", "d", "e", "f"])
    labels = np.array([True, True, True, False, False, False])
    split = assign_splits(names, labels, seed=seed)
    for name in SPLITS:
        assert set(labels[split == name]) == {False, True}


def test_too_few_objects_are_an_error_that_counts_them():
    names = np.array(["a"] * 50 + ["b"] * 50 + ["c", "d", "e"])
    labels = np.array([True] * 100 + [False] * 3)
    with pytest.raises(TooFewGroups, match="2 real and 3 bogus groups"):
        assign_splits(names, labels)


def test_fractions_that_do_not_add_up_are_an_error():
    with pytest.raises(ValueError, match="must sum to 1"):
        assign_splits(np.array(["a"]), np.array([True]), {"train": 0.7, "val": 0.2, "test": 0.2})
