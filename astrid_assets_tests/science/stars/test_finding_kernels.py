"""The search for stars against scipy.ndimage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from astrid_assets.science.stars.finding_kernels import (
    RING_POINTS,
    contrasts,
    convolve_columns,
    convolve_rows,
    local_maxima,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPE = (31, 38)
TAPS = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2).astype(np.float32)


def test_convolve_rows_convolves_the_snr_of_good_pixels(rng):
    data = rng.normal(0, 10, SHAPE).astype(np.float32)
    sigma = rng.uniform(5, 8, SHAPE).astype(np.float32)
    bad = rng.random(SHAPE) < 0.2
    out = untouched(SHAPE)
    convolve_rows(data, sigma, bad, TAPS, out, 3, 28)
    snr = np.where(bad, 0, data.astype(float) / sigma)
    assert_rows(out, ndimage.convolve1d(snr, TAPS, axis=1, mode="constant"), 3, 28, atol=1e-5)


def test_convolve_columns_convolves_along_y(rng):
    rows = rng.normal(0, 1, SHAPE).astype(np.float32)
    out = untouched(SHAPE)
    convolve_columns(rows, TAPS, out, 1, 30)
    expected = ndimage.convolve1d(rows.astype(float), TAPS, axis=0, mode="constant")
    assert_rows(out, expected, 1, 30, atol=1e-5)


@pytest.mark.parametrize("min_area", [1, 3, 5])
def test_local_maxima_are_those_of_a_maximum_filter(rng, min_area):
    image = rng.normal(0, 2, SHAPE).astype(np.float32)
    skip = rng.random(SHAPE) < 0.1
    image[12, 12] = np.nan
    found = np.full((500, 2), -1, dtype=np.int32)
    count = local_maxima(image, skip, 1.0, min_area, found, 0, 31)
    known = np.nan_to_num(image, nan=-np.inf)
    peaks = known == ndimage.maximum_filter(known, 3, mode="constant", cval=-np.inf)
    area = ndimage.convolve((known > 1).astype(int), np.ones((3, 3), int), mode="constant")
    expected = np.argwhere(peaks & (known > 1) & ~skip & (area >= min_area))
    assert_array_equal(found[:count], expected)
    assert (found[count:] == -1).all()
    assert count > 5

    inner = np.full((500, 2), -1, dtype=np.int32)
    number = local_maxima(image, skip, 1.0, min_area, inner, 5, 20)
    assert_array_equal(inner[:number], [p for p in expected if 5 <= p[0] < 20])
    # What does not fit is counted.
    few = np.zeros((2, 2), dtype=np.int32)
    assert local_maxima(image, skip, 1.0, min_area, few, 0, 31) == count
    assert_array_equal(few, expected[:2])


def test_local_maxima_takes_the_first_of_equal_neighbours():
    image = np.zeros((9, 9), dtype=np.float32)
    image[2, 2:5] = image[3, 4] = image[7, 7] = 5
    image[6, 8] = 5  # diagonal to the last, and earlier
    found = np.zeros((9, 2), dtype=np.int32)
    count = local_maxima(image, np.zeros((9, 9), bool), 1.0, 1, found, 0, 9)
    assert found[:count].tolist() == [[2, 2], [6, 8]]


@pytest.mark.parametrize("radius", [2.5, 7.0])
def test_contrasts_subtract_the_median_of_a_ring(rng, radius):
    image = rng.normal(0, 1, SHAPE).astype(np.float32)
    found = np.array([[15, 20], [0, 0], [30, 5], [2, 37], [20, 3]], dtype=np.int32)
    out = np.zeros(len(found), dtype=np.float32)
    contrasts(image, found, radius, out)
    step = radius * np.exp(2j * np.pi * np.arange(RING_POINTS) / RING_POINTS)
    for (row, column), value in zip(found, out, strict=True):
        at = np.rint([row + step.imag, column + step.real])
        ring = ndimage.map_coordinates(image, at, order=0, mode="constant", cval=0)
        assert_allclose(value, image[row, column] - np.median(ring), rtol=1e-5, atol=1e-6)
