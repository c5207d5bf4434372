"""Stacks of calibration frames against numpy and scipy, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import median_abs_deviation

from astrid_assets.science.calibration.stack_kernels import clipped_means, medians_and_deviations

PIXELS = (6, 9)


def stack_of(rng: np.random.Generator, n: int) -> np.ndarray:
    block = rng.normal(100, 10, (n, *PIXELS)).astype(np.float32)
    block[rng.random(block.shape) < 0.1] = np.nan
    block[0, 2, 2:5] = 1e5, -1e5, np.inf
    block[:, 0, 0] = np.nan
    block[1:, 0, 1] = np.nan
    block[0, 0, 1] = 5
    block[:, 1, 1] = 7  # equal values deviate by nothing
    return block


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_medians_and_deviations_are_those_of_scipy(rng, n):
    block = stack_of(rng, n)
    middle, scatter = np.zeros(PIXELS, np.float32), np.zeros(PIXELS, np.float32)
    medians_and_deviations(block, middle, scatter)
    for pixel in np.ndindex(PIXELS):
        values = block[(slice(None), *pixel)].astype(np.float64)
        values = values[np.isfinite(values)]
        expected = np.median(values) if len(values) else np.nan
        assert_allclose(middle[pixel], expected, rtol=1e-6)
        expected = median_abs_deviation(values) if len(values) else np.nan
        assert_allclose(scatter[pixel], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("floor", [0.0, 4.0])
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_clipped_means_leave_out_what_is_far_from_the_median(rng, n, floor):
    block, clip = stack_of(rng, n), 2.0
    mean, noise = np.zeros(PIXELS, np.float32), np.zeros(PIXELS, np.float32)
    counts = np.array([1000, 2000])
    clipped_means(block, floor, clip, mean, noise, counts)
    n_valid = n_out = 0
    for pixel in np.ndindex(PIXELS):
        values = block[(slice(None), *pixel)].astype(np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            assert np.isnan(mean[pixel])
            assert np.isnan(noise[pixel])
            continue
        off = np.abs(values - np.median(values))
        limit = clip * max(np.median(off), floor)
        kept = values[off <= limit] if limit > 0 else values
        n_valid += len(values)
        n_out += len(values) - len(kept)
        assert_allclose(mean[pixel], kept.mean(), rtol=1e-5)
        if len(kept) > 1:
            assert_allclose(noise[pixel], kept.var(ddof=1) / len(kept), rtol=1e-3, atol=1e-9)
        else:
            assert np.isnan(noise[pixel])
    assert counts.tolist() == [1000 + n_valid, 2000 + n_out]
    assert n_out > 0 or n < 5


def test_clipped_means_keep_two_groups_with_nothing_between_them():
    block = np.array([0, 1, 9, 10], dtype=np.float32).reshape(4, 1, 1)
    mean, noise = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    counts = np.zeros(2, dtype=np.int64)
    clipped_means(block, 0.0, 0.5, mean, noise, counts)  # median 5, deviations 4 and 5
    assert mean[0, 0] == 5
    assert_allclose(noise[0, 0], np.var([0, 1, 9, 10], ddof=1) / 4, rtol=1e-6)
    assert counts.tolist() == [4, 0]
