"""Matching to the truth, against brute force."""

from __future__ import annotations

import numpy as np

from astrid_assets.science.labelling.truth_match import match_truth


def test_matches_equal_brute_force(rng):
    x, y = rng.uniform(0, 100, (2, 300))
    truth_x, truth_y = rng.uniform(0, 100, (2, 50))
    distance = np.hypot(x[:, None] - truth_x, y[:, None] - truth_y)
    nearest = distance.argmin(axis=1)
    expected = np.where(distance.min(axis=1) <= 5.0, nearest, -1)
    assert (expected >= 0).any()
    assert (expected < 0).any()
    np.testing.assert_array_equal(match_truth(x, y, truth_x, truth_y, 5.0), expected)


def test_a_true_source_is_given_once_to_the_nearest_when_counting():
    x, y = [10.0, 11.0, 30.0], [10.0, 10.0, 30.0]
    truth_x, truth_y = [10.8], [10.0]
    np.testing.assert_array_equal(match_truth(x, y, truth_x, truth_y, 3.0), [0, 0, -1])
    np.testing.assert_array_equal(match_truth(x, y, truth_x, truth_y, 3.0, once=True), [-1, 0, -1])


def test_nothing_matches_nothing():
    assert match_truth([], [], [1.0], [1.0], 3.0).shape == (0,)
    np.testing.assert_array_equal(match_truth([1.0], [1.0], [], [], 3.0), [-1])


def test_a_single_position_may_be_a_number():
    np.testing.assert_array_equal(match_truth(5.0, 5.0, [5.5], [5.0], 1.0), [0])
