"""Kernels of the background against numpy: halved frames, masks, filled meshes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from astrid_assets.science.sky.background_kernels import (
    count_open,
    fill_meshes,
    halve_image,
    join_doubled,
    significance,
    unusable,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPES = [(20, 26), (21, 27)]


def half_of(shape: tuple[int, int]) -> tuple[int, int]:
    return -(-shape[0] // 2), -(-shape[1] // 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_unusable_is_bad_or_not_finite(rng, shape):
    data, bad = rng.normal(0, 1, shape).astype(np.float32), rng.random(shape) < 0.2
    data[5, 5:8] = np.nan, np.inf, -np.inf
    out = untouched(shape, bool)
    unusable(data, bad, out, 2, 18)
    assert_rows(out, bad | ~np.isfinite(data), 2, 18)


@pytest.mark.parametrize("shape", SHAPES)
def test_halve_image_averages_the_good_of_four(rng, shape):
    data, bad = rng.normal(50, 9, shape).astype(np.float32), rng.random(shape) < 0.5
    half = half_of(shape)
    padded = np.full((2 * half[0], 2 * half[1]), np.nan)
    padded[: shape[0], : shape[1]] = np.where(bad, np.nan, data)
    four = padded.reshape(half[0], 2, half[1], 2).swapaxes(1, 2).reshape(*half, 4)
    number = np.isfinite(four).sum(axis=-1)
    mean = np.where(number > 0, np.nansum(four, axis=-1) / np.maximum(number, 1), 0)
    small, small_bad = np.zeros(half, np.float32), np.zeros(half, bool)
    for first, last in ((0, 4), (4, half[0])):
        halve_image(data, bad, small, small_bad, first, last)
    np.testing.assert_allclose(small, mean, rtol=1e-6)
    assert_array_equal(small_bad, number == 0)
    assert small_bad.any()


def test_significance_is_clipped_and_zero_where_bad(rng):
    small, level = rng.normal(100, 9, (2, 20, 26)).astype(np.float32)
    rms = rng.uniform(0.1, 6, small.shape).astype(np.float32)
    bad = rng.random(small.shape) < 0.2
    out = untouched(small.shape)
    significance(small, level, rms, bad, -2.0, 3.0, 1.0, out, 2, 18)
    height = (small.astype(np.float64) - level) / np.clip(rms, 1, None)
    assert_rows(out, np.where(bad, 0, np.clip(height, -2, 3)), 2, 18)


@pytest.mark.parametrize("shape", SHAPES)
def test_join_doubled_covers_four_pixels_with_each(rng, shape):
    bad, small = rng.random(shape) < 0.2, rng.random(half_of(shape)) < 0.2
    out = untouched(shape, bool)
    join_doubled(bad, small, out, 2, 18)
    large = np.kron(small, np.ones((2, 2), dtype=bool))[: shape[0], : shape[1]]
    assert_rows(out, bad | large, 2, 18)


def meshes(shape: tuple[int, int], mesh: int) -> list[tuple[slice, slice]]:
    return [
        np.s_[y : y + mesh, x : x + mesh]
        for y in range(0, shape[0], mesh)
        for x in range(0, shape[1], mesh)
    ]


@pytest.mark.parametrize("mesh", [4, 8])
def test_fill_meshes_repeats_the_good_values_in_order(rng, mesh):
    data, bad = rng.normal(0, 1, (21, 27)).astype(np.float32), rng.random((21, 27)) < 0.6
    bad[:8, :8] = True
    filled, still_bad = untouched(data.shape), untouched(data.shape, bool)
    fill_meshes(data, bad, mesh, 0.3, filled, still_bad)
    n_filled = 0
    for box in meshes(data.shape, mesh):
        values, expected = data[box], data[box].copy()
        is_bad = bad[box]
        enough = not is_bad.all() and (~is_bad).mean() >= 0.3
        if enough:
            expected[is_bad] = np.resize(values[~is_bad], is_bad.sum())
        assert_array_equal(filled[box], expected)
        assert_array_equal(still_bad[box], is_bad & (not enough))
        n_filled += enough
    assert 0 < n_filled < len(meshes(data.shape, mesh))


@pytest.mark.parametrize("mesh", [2, 5, 8])
def test_count_open_counts_meshes_that_are_half_good(rng, mesh):
    bad = rng.random((21, 27)) < 0.5
    expected = sum((~bad[box]).mean() >= 0.5 for box in meshes(bad.shape, mesh))
    assert count_open(bad, mesh) == expected
    assert 0 < expected < len(meshes(bad.shape, mesh))
