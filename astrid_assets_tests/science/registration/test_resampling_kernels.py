"""The resampling pass against scipy.ndimage.map_coordinates, mask bits by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.registration.resampling_kernels import (
    LARGEST,
    find_unusable,
    nearest_rows,
    resample_rows,
    spread_bits,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPE = (40, 46)
GRID = (33, 41)
STEP = (10, 12)
SPOILED = next(bit for bit in MaskBit if bit & UNUSABLE and bit != MaskBit.NO_DATA)
HARMLESS = next(bit for bit in MaskBit if not bit & UNUSABLE and bit != MaskBit.INTERPOLATED)


def cell_polynomials() -> np.ndarray:
    """Coefficients, by power of the pixels, of the cubics that are 1 at one node."""
    fit = np.polynomial.polynomial.polyfit
    return np.array(
        [
            np.transpose([fit((np.arange(4) - cell) * STEP[1], one, 3) for one in np.eye(4)])
            for cell in range(3)
        ]
    )


def turned(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where in the image a position of the grid lies: turned, larger, bent a little."""
    row = -2.7131 + 1.06 * y + 0.05 * x + 4e-4 * (x - 20) ** 2
    column = -1.9077 - 0.04 * y + 1.08 * x - 3e-4 * (y - 15) * (x - 20)
    return row, column


def shifted(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return y + 1.3, x - 2.4


def nodes_of(mapping) -> np.ndarray:
    y, x = np.mgrid[0 : 4 * STEP[0] + 1 : STEP[0], 0 : 4 * STEP[1] + 1 : STEP[1]].astype(float)
    row, column = mapping(y, x)
    area = 1.1 + 1e-3 * x - 2e-3 * y
    return np.stack([column, row, area])


def image_of(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(100, 10, SHAPE).astype(np.float32)


def test_find_unusable_marks_and_counts(rng):
    image, variance = image_of(rng), rng.uniform(0, 5, SHAPE).astype(np.float32)
    image[4, :3] = np.nan, np.inf, 2 * LARGEST
    variance[5, :4] = np.nan, np.inf, -1, LARGEST
    image[6, 0], variance[6, 0] = np.nan, np.nan
    mask = rng.choice([0, int(SPOILED), int(HARMLESS)], SHAPE, p=[0.8, 0.1, 0.1])
    mask = mask.astype(np.uint16)
    bad, count = untouched(SHAPE, bool), untouched((SHAPE[0], 4), np.int64)
    find_unusable(image, variance, mask, bad, count, 2, 38)

    known = np.isfinite(variance) & (variance >= 0) & (variance < LARGEST)
    number = known & np.isfinite(image) & (np.abs(image) < LARGEST)
    spoiled = np.isin(mask, int(SPOILED))
    expected = spoiled | ~number
    assert_rows(bad, expected, 2, 38)
    rows = [expected.sum(1), (expected & ~spoiled).sum(1), (~known).sum(1)]
    wanted = np.transpose([*rows, np.bitwise_or.reduce(mask, axis=1)])
    assert_rows(count, wanted, 2, 38, rtol=0)


def neighbourhood(mask: np.ndarray, near: range) -> np.ndarray:
    """Return all bits of the pixels from `near` rows and columns on; the border repeats."""
    reach = max(abs(near.start), near.stop)
    padded = np.pad(mask, reach, mode="edge")
    moved = [
        np.roll(padded, (-dy, -dx), (0, 1))[reach:-reach, reach:-reach]
        for dy in near
        for dx in near
    ]
    return np.bitwise_or.reduce(moved)


def spread_of(mask: np.ndarray) -> np.ndarray:
    filled = (neighbourhood(mask, range(-1, 3)) & UNUSABLE) != 0
    bits = neighbourhood(mask, range(2))
    return (bits | np.where(filled, int(MaskBit.INTERPOLATED), 0)).astype(np.uint16)


def random_mask(rng: np.random.Generator, share: float = 0.01) -> np.ndarray:
    bits = [0, int(SPOILED), int(HARMLESS), int(MaskBit.NO_DATA)]
    return rng.choice(bits, SHAPE, p=[1 - 3 * share, share, share, share]).astype(np.uint16)


def test_spread_bits_joins_four_pixels_and_looks_at_sixteen(rng):
    mask = random_mask(rng)
    out = untouched(SHAPE, np.uint16)
    spread_bits(mask, out, 1, 39)
    assert_rows(out, spread_of(mask), 1, 39, rtol=0)


@pytest.mark.parametrize("mapping", [turned, shifted])
def test_nearest_rows_looks_at_the_nearest_pixel(rng, mapping):
    bad = rng.random(SHAPE) < 0.2
    out = untouched(GRID, bool)
    nearest_rows(bad, nodes_of(mapping), STEP, cell_polynomials(), out, 3, 30)
    at = np.array(mapping(*np.mgrid[: GRID[0], : GRID[1]]))
    nearest = ndimage.map_coordinates(bad.astype(int), np.rint(at), order=0, cval=1)
    assert_rows(out, nearest, 3, 30)
    assert out[3:30].min() == 0


def resampled(rng, mapping, mask, samples):
    """Run the pass on noise; returns its three images and what it was given."""
    coefficients, variance = image_of(rng), rng.uniform(1, 5, SHAPE).astype(np.float32)
    out, out_variance = np.zeros(GRID, np.float32), np.zeros(GRID, np.float32)
    bits = np.zeros(GRID, np.uint16)
    spread = spread_of(mask) if mask.any() else np.empty((0, 0), np.uint16)
    for first, last in ((0, 11), (11, GRID[0])):
        resample_rows(
            coefficients,
            variance,
            spread,
            nodes_of(mapping),
            STEP,
            cell_polynomials(),
            samples,
            out,
            out_variance,
            bits,
            first,
            last,
        )
    return (out, out_variance, bits), (coefficients, variance)


def sampled_at(mapping, samples) -> np.ndarray:
    """Return the positions of all samples of every pixel, (samples², 2, ny, nx)."""
    part = (np.arange(samples) + 0.5) / samples - 0.5
    y, x = np.mgrid[: GRID[0], : GRID[1]]
    return np.array([mapping(y + dy, x + dx) for dy in part for dx in part])


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("mapping", [turned, shifted])
def test_resample_rows_evaluates_spline_and_variance_where_scipy_does(rng, mapping, samples):
    (out, variance_out, bits), (coefficients, variance) = resampled(
        rng, mapping, np.zeros(SHAPE, np.uint16), samples
    )
    at = sampled_at(mapping, samples)
    y, x = np.mgrid[: GRID[0], : GRID[1]]
    area = 1.1 + 1e-3 * x - 2e-3 * y
    outer = np.array(SHAPE)[:, None, None] - 0.5
    outside = ((at < -0.5) | (at > outer)).any(axis=(0, 1))
    assert_array_equal(bits, np.where(outside, int(MaskBit.NO_DATA), 0))
    assert 0 < outside.sum() < outside.size / 2

    spline = np.mean(
        [
            ndimage.map_coordinates(
                coefficients.astype(float), place, order=3, prefilter=False, mode="mirror"
            )
            for place in at
        ],
        axis=0,
    )
    assert_allclose(out, np.where(outside, 0, spline * area), rtol=1e-4, atol=1e-2)
    linear = np.mean(
        [ndimage.map_coordinates(variance, place, order=1, mode="nearest") for place in at], axis=0
    )
    assert_allclose(variance_out[~outside], (linear * area)[~outside], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mapping", [turned, shifted])
def test_resample_rows_takes_the_bits_below_each_position(rng, mapping):
    mask = random_mask(rng)
    (out, _, bits), _ = resampled(rng, mapping, mask, 1)
    (row, column) = sampled_at(mapping, 1)[0]
    low_y = np.clip(np.floor(row), 0, SHAPE[0] - 1).astype(int)
    low_x = np.clip(np.floor(column), 0, SHAPE[1] - 1).astype(int)
    outside = (row < -0.5) | (row > SHAPE[0] - 0.5) | (column < -0.5) | (column > SHAPE[1] - 0.5)
    no_data = int(MaskBit.NO_DATA)
    expected = np.where(outside, no_data, spread_of(mask)[low_y, low_x])
    assert_array_equal(bits, expected)
    assert (out[(bits & no_data) > 0] == 0).all()
    assert np.abs(out[bits == 0]).min() > 0
