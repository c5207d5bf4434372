"""Kernels over the set pixels of a mask against scipy.ndimage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from astrid_assets.science.arrays.components_kernels import (
    horizontal_runs,
    joined_runs,
    paint_runs,
    widen,
)
from astrid_assets_tests.science.patches import scipy_patches

EIGHT = np.ones((3, 3), dtype=bool)


def random_mask(rng: np.random.Generator, share: float) -> np.ndarray:
    mask = rng.random((31, 37)) < share
    mask[5] = False  # rows without any are skipped
    mask[9] = True
    return mask


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
@pytest.mark.parametrize("pixels", [0, 1, 4])
def test_widen_is_a_dilation_with_a_square(rng, share, pixels):
    mask = random_mask(rng, share)
    before = rng.random(mask.shape) < 0.05
    out = before.copy()
    widen(mask, pixels, out)
    square = np.ones((2 * pixels + 1, 2 * pixels + 1), dtype=bool)
    assert_array_equal(out, ndimage.binary_dilation(mask, square) | before)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_horizontal_runs_begin_and_end_where_a_row_changes(rng, share):
    mask = random_mask(rng, share)
    row, first, end = horizontal_runs(mask)
    change = np.diff(mask.astype(int), axis=1, prepend=0, append=0)
    assert_array_equal(np.transpose([row, first]), np.argwhere(change == 1))
    assert_array_equal(np.transpose([row, end]), np.argwhere(change == -1))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.45, 0.7])
def test_joined_runs_are_the_patches_that_scipy_labels(rng, share):
    mask = random_mask(rng, share)
    row, first, end = horizontal_runs(mask)
    number, count = joined_runs(row, first, end)
    labels, n_labels = scipy_patches(mask, EIGHT)
    assert count == n_labels
    # The same runs are together, whatever the numbers.
    pairs = set(zip(number.tolist(), labels[row, first].tolist(), strict=True))
    assert len(pairs) == count
    # Numbers count up in the order of the first run.
    _, first_run = np.unique(number, return_index=True)
    assert_array_equal(number[np.sort(first_run)], np.arange(count))


def test_joined_runs_joins_arms_that_meet_below():
    mask = np.array([[1, 0, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 1]], dtype=bool)
    number, count = joined_runs(*horizontal_runs(mask))
    assert_array_equal(number, [0, 0, 1, 0, 0, 0, 2])
    assert count == 3


def test_paint_runs_sets_every_pixel_of_a_run_and_no_other(rng):
    mask = random_mask(rng, 0.3)
    row, first, end = horizontal_runs(mask)
    number = rng.integers(0, 9, len(row))
    labels = np.full(mask.shape, -1, dtype=np.intp)
    paint_runs(row, first, end, number, labels)
    assert_array_equal(labels >= 0, mask)
    own, n_runs = scipy_patches(mask, [[0, 0, 0], [1, 1, 1], [0, 0, 0]])
    assert n_runs == len(row)
    assert_array_equal(labels[mask], number[own[mask] - 1] + 1)
