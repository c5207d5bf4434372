"""Filling and spline coefficients against scipy.ndimage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from astrid_assets.science.registration.spline_kernels import (
    BLOCK,
    block_map,
    fill_pixels,
    spline_filter_columns,
    spline_filter_rows,
)

SHAPE = (45, 53)


def blocks_of(bad: np.ndarray) -> np.ndarray:
    ny, nx = (-(-n // BLOCK) for n in bad.shape)
    full = np.ones((ny * BLOCK, nx * BLOCK), dtype=bool)
    full[: bad.shape[0], : bad.shape[1]] = bad
    return np.asarray(full.reshape(ny, BLOCK, nx, BLOCK).all(axis=(1, 3)))


def test_block_map_marks_blocks_without_a_good_pixel(rng):
    bad = rng.random(SHAPE) < 0.9
    bad[5:30, 10:40] = True
    expected = blocks_of(bad)
    blocked = np.zeros(expected.shape, dtype=bool)
    for first, last in ((0, 2), (2, len(expected))):
        block_map(bad, blocked, first, last)
    assert_array_equal(blocked, expected)
    assert 0 < blocked.sum() < blocked.size


def test_fill_pixels_is_a_normalised_convolution(rng):
    image = rng.normal(100, 10, SHAPE).astype(np.float32)
    bad = rng.random(SHAPE) < 0.3
    bad[5:40, 10:45] = True  # wider than the Gaussian
    image[bad] = np.nan
    weights = np.exp(-0.5 * (np.arange(7) / 2.0) ** 2)
    where = np.flatnonzero(bad)
    filled = np.zeros(len(where), dtype=np.float32)
    for first, last in ((0, 100), (100, len(where))):
        fill_pixels(image, bad, blocks_of(bad), where, weights, 1e-3, filled, first, last)

    kernel = np.concatenate([weights[:0:-1], weights])

    def convolved(values: np.ndarray) -> np.ndarray:
        along_y = ndimage.convolve1d(values, kernel, axis=0, mode="constant")
        return ndimage.convolve1d(along_y, kernel, axis=1, mode="constant")

    weight = convolved((~bad).astype(float))
    total = convolved(np.where(bad, 0, image).astype(float))
    expected = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), 0)
    assert_allclose(filled, expected.ravel()[where], rtol=1e-5)
    assert (filled == 0).any()


@pytest.mark.parametrize("shape", [(45, 53), (8, 7), (70, 130)])
def test_spline_filter_rows_gives_scipys_spline_coefficients(rng, shape):
    data = rng.normal(100, 10, shape).astype(np.float32)
    expected = ndimage.spline_filter1d(data.astype(float), 3, axis=1, mode="mirror")
    found = data.copy()
    spline_filter_rows(found, 1, 6)
    assert_allclose(found[1:6], expected[1:6], rtol=1e-5, atol=1e-3)
    assert_array_equal(np.delete(found, np.s_[1:6], 0), np.delete(data, np.s_[1:6], 0))


@pytest.mark.parametrize("shape", [(45, 53), (8, 7), (70, 130)])
def test_spline_filter_columns_gives_scipys_spline_coefficients(rng, shape):
    data = rng.normal(100, 10, shape).astype(np.float32)
    expected = ndimage.spline_filter1d(data.astype(float), 3, axis=0, mode="mirror")
    found = data.copy()
    last = shape[1] - 1
    spline_filter_columns(found, 1, last)
    assert_allclose(found[:, 1:last], expected[:, 1:last], rtol=1e-5, atol=1e-3)
    assert_array_equal(found[:, [0, -1]], data[:, [0, -1]])


def test_both_filters_invert_the_sampling_of_a_spline(rng):
    data = rng.normal(100, 10, SHAPE).astype(np.float32)
    found = data.copy()
    spline_filter_rows(found, 0, SHAPE[0])
    spline_filter_columns(found, 0, SHAPE[1])
    # The cubic B-spline at whole pixels is 1/6, 4/6, 1/6.
    for axis in (0, 1):
        found = ndimage.convolve1d(found, [1 / 6, 4 / 6, 1 / 6], axis=axis, mode="mirror")
    assert_allclose(found, data, rtol=1e-5, atol=1e-3)
