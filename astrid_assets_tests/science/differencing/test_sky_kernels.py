"""Loops for the level and the structure of the sky against scipy and whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage
from scipy.signal import correlate2d

from astrid_assets.science.differencing.sky_kernels import (
    blank_scores,
    double,
    flatten,
    lagged_products,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPE = (18, 25)


@pytest.mark.parametrize("shape", [(14, 20), (13, 19), (14, 19)])
def test_double_interpolates_linearly(rng, shape):
    halved = rng.normal(100, 10, ((shape[0] + 1) // 2, (shape[1] + 1) // 2)).astype(np.float32)
    out = untouched(shape)
    double(halved, out, 1, 12)
    at = np.mgrid[: shape[0], : shape[1]] / 2
    expected = ndimage.map_coordinates(halved, at, order=1, mode="nearest")
    assert_rows(out, expected, 1, 12, rtol=1e-6)


def test_flatten_subtracts_and_says_where_it_is_quiet(rng):
    science, reference, level = rng.normal(50, 10, (3, *SHAPE)).astype(np.float32)
    bad = rng.random(SHAPE) < 0.2
    science[5, 5] = np.nan
    flat, quiet = untouched(SHAPE), untouched(SHAPE, bool)
    flatten(science, reference, level, bad, 60.0, flat, quiet, 2, 16)
    expected = science.astype(np.float64) - reference - level
    assert_rows(flat, expected, 2, 16, atol=1e-4)
    assert_rows(quiet, ~bad & (np.abs(expected) < 60), 2, 16)
    assert 0.2 < quiet[2:16].mean() < 0.75


def test_blank_scores_are_zero_off_the_sky_and_beyond_the_limit(rng):
    flux = rng.normal(0, 8, SHAPE).astype(np.float32)
    variance = rng.uniform(9, 25, SHAPE).astype(np.float32)
    blank = rng.random(SHAPE) < 0.7
    out = untouched(SHAPE)
    blank_scores(flux, variance, blank, 2.0, out, 2, 16)
    score = flux / np.sqrt(variance.astype(np.float64))
    score[~blank | (np.abs(score) > 2)] = 0
    assert_rows(out, score, 2, 16)
    assert (score[blank] == 0).any()


@pytest.mark.parametrize("lag", [1, 3])
def test_lagged_products_sum_to_the_autocorrelation(rng, lag):
    scores = rng.normal(0, 1, SHAPE).astype(np.float32)
    scores[rng.random(SHAPE) < 0.3] = 0
    totals, pairs = np.zeros(SHAPE[0]), np.zeros(SHAPE[0], dtype=np.int64)
    for first, last in ((0, 5), (5, 18)):
        lagged_products(scores, lag, totals, pairs, first, last)
    middle = SHAPE[0] - 1, SHAPE[1] - 1
    for image, sums in ((scores.astype(np.float64), totals), ((scores != 0) * 1.0, pairs)):
        every_lag = correlate2d(image, image, "full")
        expected = every_lag[middle[0], middle[1] + lag] + every_lag[middle[0] + lag, middle[1]]
        assert_allclose(sums.sum(), expected, rtol=1e-5)
    # The last rows have nothing below them.
    last = scores[-1].astype(np.float64)
    assert_allclose(totals[-1], last[:-lag] @ last[lag:], rtol=1e-5, atol=1e-5)
