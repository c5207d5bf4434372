"""The cosmic-ray kernels against the paper's recipe on whole images, by scipy.

The oracle subsamples, convolves and rebins as van Dokkum 2001 (PASP 113, 1420) writes;
the kernels never make the large image.
"""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from astrid_assets.science.masking.cosmic_rays_kernels import (
    HOLE_REACH,
    LEAST_FINE_STRUCTURE,
    LEAST_SKY_SHARE,
    fill,
    flagged,
    judge_pixels,
    neighbours,
    outstanding,
    still_outstanding,
    without_holes,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPE = (30, 34)
EVERYWHERE = np.arange(SHAPE[0] * SHAPE[1])


def night_sky(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sky-subtracted noise with stars and hits, and its variance."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    star = 3000 * np.exp(-((y - 12.3) ** 2 + (x - 20.6) ** 2) / (2 * 1.8**2))
    light = star + 5.0
    data = rng.poisson(light + 100) - 105.0
    data[5, 5], data[20, 8:12], data[0, 7] = 900, (700, 720, 710, 690), 600
    data[10, SHAPE[1] - 1] = 800
    return data.astype(np.float32), (light + 100).astype(np.float32)


def laplacian(data: np.ndarray) -> np.ndarray:
    fine = np.kron(data.astype(np.float64), np.ones((2, 2)))
    cross = [[0, -1, 0], [-1, 4, -1], [0, -1, 0]]
    positive = np.maximum(ndimage.convolve(fine, cross, mode="nearest"), 0)
    return positive.reshape(data.shape[0], 2, data.shape[1], 2).mean(axis=(1, 3))


def sky_variance(data: np.ndarray, variance: np.ndarray) -> np.ndarray:
    variance = variance.astype(np.float64)
    return np.maximum(variance - np.maximum(data, 0), LEAST_SKY_SHARE * variance)


def windows(image: np.ndarray, size: int) -> np.ndarray:
    """Return the square around every pixel; beyond the border its nearest pixel."""
    padded = np.pad(image, size // 2, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size))


def median_of_rows(image: np.ndarray, size: int) -> np.ndarray:
    return np.median(np.median(windows(image, size), axis=-1), axis=-1)


def fine_structure(image: np.ndarray) -> np.ndarray:
    wide = np.pad(image, 10, mode="edge")
    smooth = ndimage.median_filter(ndimage.median_filter(wide, (1, 5)), (5, 1))
    return (smooth - median_of_rows(smooth, 9))[10:-10, 10:-10]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_without_holes_takes_the_brightest_good_pixel_nearby(rng, share):
    data, _ = night_sky(rng)
    bad = rng.random(SHAPE) < share
    bad[10:26, 10:26] = True  # wider than either reach
    data[:5, 26:] = -40  # only negative pixels around a hole give 0
    out = untouched(SHAPE)
    without_holes(data, bad, out, 2, 28)
    good = np.where(bad, -np.inf, data)
    near, far = (
        ndimage.maximum_filter(good, 2 * reach + 1, mode="constant", cval=-np.inf)
        for reach in (2, HOLE_REACH)
    )
    brightest = np.maximum(np.where(np.isfinite(near), near, far), 0)
    assert_rows(out, np.where(bad, brightest, data), 2, 28, rtol=0)


def test_outstanding_flags_the_papers_edges_and_the_maxima(rng):
    data, variance = night_sky(rng)
    bad = rng.random(SHAPE) < 0.05
    clean = np.where(bad, 0, data).astype(np.float32)
    flags = np.zeros(SHAPE, dtype=np.uint8)
    for first, last in ((0, 11), (11, 30)):
        outstanding(clean, data, variance, bad, 4.0, 6.0, first, last, flags)
    significance = laplacian(clean) / (2 * np.sqrt(sky_variance(data, variance)))
    assert_array_equal((flags & 1) > 0, (significance > 4) & ~bad)
    assert (flags[0] & 1).any()
    assert (flags[:, -1] & 1).any()

    cross = ndimage.generate_binary_structure(2, 1)
    is_top = clean == ndimage.maximum_filter(clean, footprint=cross)
    bright = clean > 6 * np.sqrt(variance)
    inner = np.s_[1:-1, 1:-1]
    assert_array_equal((flags & 2)[inner] > 0, (is_top & bright & ~bad)[inner])
    assert (flags[inner] & 2).any()


@pytest.mark.parametrize("bit", [1, 2])
def test_flagged_lists_pixels_in_raster_order(rng, bit):
    flags = rng.choice([0, 1, 2, 3], SHAPE, p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    flags[3], flags[4] = 0, 3 - bit
    assert_array_equal(flagged(flags, bit), np.flatnonzero(flags & bit))


def test_judge_pixels_is_significance_and_contrast_of_the_paper(rng):
    data, variance = night_sky(rng)
    bad = np.zeros(SHAPE, dtype=bool)
    bad[6:9, 14:17] = True
    clean = np.where(bad, 40, data).astype(np.float32)
    significance, contrast = np.zeros((2, len(EVERYWHERE)), dtype=np.float32)
    for first, last in ((0, 400), (400, len(EVERYWHERE))):
        judge_pixels(clean, data, variance, EVERYWHERE, 2.0, significance, contrast, first, last)
    edges = laplacian(clean)
    light = np.maximum(median_of_rows(clean, 7), 0)
    noise = np.sqrt(sky_variance(data, variance) + light)
    expected = ((edges - median_of_rows(edges, 7)) / (2 * noise)).ravel()
    assert_allclose(significance, expected, rtol=1e-4, atol=1e-4)
    fine = np.maximum(fine_structure(clean) / noise, LEAST_FINE_STRUCTURE).ravel()
    above = expected > 2
    assert_allclose(contrast, np.where(above, expected / fine, 0), rtol=1e-3)
    assert 5 < above.sum() < len(EVERYWHERE) / 2


@pytest.mark.parametrize("reach", [1, 2])
def test_neighbours_are_a_dilation_without_what_is_taken(rng, reach):
    chosen = rng.random(SHAPE) < 0.05
    chosen[0, 0] = chosen[-1, -1] = True
    taken = chosen | (rng.random(SHAPE) < 0.2)
    seen = np.zeros(SHAPE, dtype=np.uint8)
    found = neighbours(np.flatnonzero(chosen), taken, reach, seen)
    around = ndimage.binary_dilation(chosen, np.ones((2 * reach + 1, 2 * reach + 1)))
    assert_array_equal(np.sort(found), np.flatnonzero(around & ~taken))
    assert not seen.any()


def test_still_outstanding_keeps_the_papers_edges(rng):
    data, variance = night_sky(rng)
    pixels = rng.permutation(EVERYWHERE)
    kept = still_outstanding(data, data, variance, pixels, 4.0)
    significance = laplacian(data) / (2 * np.sqrt(sky_variance(data, variance)))
    assert_array_equal(kept, pixels[significance.ravel()[pixels] > 4])
    assert len(kept) > 3


def test_fill_gives_the_lower_median_of_good_neighbours(rng):
    clean = rng.normal(0, 10, SHAPE).astype(np.float32)
    unusable = rng.random(SHAPE) < 0.4
    unusable[12:17, 12:17] = True  # nothing good around its middle
    pixels = np.flatnonzero(unusable)
    before = clean.copy()
    fill(clean, unusable, pixels)
    for y, x in np.argwhere(unusable):
        box = np.s_[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        good = before[box][~unusable[box]]
        assert clean[y, x] == (statistics.median_low(good.tolist()) if len(good) else 0)
    assert clean[14, 14] == 0
    assert_array_equal(clean[~unusable], before[~unusable])
