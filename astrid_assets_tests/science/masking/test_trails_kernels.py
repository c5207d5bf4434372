"""The search for straight lines against every line summed by itself."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from astrid_assets.science.masking.trails_kernels import (
    SIDES_FROM,
    SIDES_TO,
    best_lines,
    bin_snr,
    halve_bins,
    paint_line,
    steepest,
    strip,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPE = (26, 35)


def blocks(image: np.ndarray, step: int) -> np.ndarray:
    """Return the pixels of each block along a last axis; a rest at the border is left out."""
    ny, nx = image.shape[0] // step, image.shape[1] // step
    cut = image[: ny * step, : nx * step].reshape(ny, step, nx, step)
    return cut.swapaxes(1, 2).reshape(ny, nx, -1)


def test_bin_snr_sums_to_unit_noise(rng):
    data = rng.normal(0, 10, SHAPE).astype(np.float32)
    data[4:8, 10:30] += 60
    rms = rng.uniform(5, 15, SHAPE).astype(np.float32)
    bad = rng.random(SHAPE) < 0.4
    bad[8:12, :8] = True
    bad[13, 13:15], rms[14, 14] = True, 0
    step, clip, bin_clip = 4, 2.5, 4.0
    with np.errstate(divide="ignore"):
        snr = np.clip(data.astype(np.float64) / rms, -clip, clip)
    usable = ~bad & (rms > 0)
    number = blocks(usable, step).sum(axis=-1)
    total = np.where(blocks(usable, step), blocks(snr, step), 0).sum(axis=-1)
    enough = number > step * step / 2
    values, good = untouched(number.shape), untouched(number.shape)
    bin_snr(data, rms, bad, step, clip, bin_clip, values, good, 1, 5)
    mean = np.clip(total / np.sqrt(np.maximum(number, 1)), -bin_clip, bin_clip)
    assert_rows(values, np.where(enough, mean, 0), 1, 5, rtol=1e-4)
    assert_rows(good, enough, 1, 5)
    assert (mean == bin_clip).any()
    assert not enough.all()


def test_bin_snr_of_blank_sky_has_unit_scatter(rng):
    sky = rng.normal(0, 7, (400, 400)).astype(np.float32)
    values, good = np.zeros((2, 100, 100), dtype=np.float32)
    bad = rng.random(sky.shape) < 0.2
    bin_snr(sky, np.full_like(sky, 7), bad, 4, 100.0, 100.0, values, good, 0, 100)
    assert good.mean() > 0.99
    assert_allclose(values[good > 0].std(), 1, atol=0.03)


def test_halve_bins_keeps_unit_noise_of_what_is_good(rng):
    good = (rng.random(SHAPE) < 0.6).astype(np.float32)
    values = (rng.normal(0, 1, SHAPE) * good).astype(np.float32)
    halved, usable = halve_bins(values, good)
    number = blocks(good, 2).sum(axis=-1)
    expected = blocks(values, 2).sum(axis=-1) / np.sqrt(np.maximum(number, 1))
    assert_array_equal(usable, number > 1)
    assert_allclose(halved, np.where(number > 1, expected, 0), rtol=1e-5, atol=1e-6)


@functools.cache
def digital_line(height: int, shift: int) -> tuple[int, ...]:
    """Return the column of each row of a dyadic line: two halves, joined by one step."""
    if height == 1:
        return (0,)
    half = digital_line(height // 2, shift // 2)
    return (*half, *(c + shift - shift // 2 for c in half))


def every_line(values, good, height) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
    """Return sums and counts by block and shift, at every column before and in the image."""
    ny, nx = values.shape
    rows = 1 << int(np.ceil(np.log2(ny)))
    padded = np.zeros((2, rows, rows + nx + rows))
    padded[:, :ny, rows : rows + nx] = values, good
    columns = np.arange(rows + nx)
    lines = {}
    for block in range(0, rows, height):
        for shift in range(height):
            path = digital_line(height, shift)
            both = np.zeros((2, len(columns)))
            for r, c in enumerate(path):
                both += padded[:, block + r, columns + c]
            lines[block, shift] = (both[0], both[1])
    return lines


@pytest.mark.parametrize("size", [(16, 12), (13, 20)])
def test_best_lines_finds_what_trying_every_line_finds(rng, size):
    good = (rng.random(size) < 0.9).astype(np.float32)
    values = (rng.normal(0, 1, size) * good).astype(np.float32)
    found = best_lines(values, good, 4)
    rows = 16
    assert_array_equal(found[:, 2], [4, 8, 16])
    for level in found:
        height, best, squares = int(level[2]), (0.0, ()), []
        for place, (sums, counts) in every_line(values, good, height).items():
            for x in range(SIDES_TO, len(sums) - SIDES_TO):
                side = [x + d * w for d in range(SIDES_FROM, SIDES_TO + 1) for w in (-1, 1)]
                n, n_side = counts[x], counts[side].sum()
                if n < height / 2 or n_side < height / 2:
                    continue
                # Contrast to the mean beside, over the noise of both.
                contrast = sums[x] - n / n_side * sums[side].sum()
                sigma = contrast / np.sqrt(n + n**2 / n_side)
                squares.append(min(sigma**2, 16))
                best = max(best, (sigma, (place[0], x - rows, place[1])))
        assert_allclose(level[0], best[0], rtol=2e-3)
        assert_allclose(level[1], np.sqrt(np.mean(squares)), rtol=2e-3)
        assert tuple(level[3:].astype(int)) == best[1]


def test_best_lines_finds_a_line_that_was_drawn(rng):
    values = rng.normal(0, 1, (32, 40)).astype(np.float32)
    for row, column in enumerate(digital_line(32, 13)):
        values[row, 9 + column] += 3
    found = best_lines(values, np.ones_like(values), 8)
    whole = found[-1]
    assert whole[2:].tolist() == [32, 0, 9, 13]
    assert whole[0] > 10


@pytest.mark.parametrize("angle", [0.2, 1.3, -0.4])
def test_strip_reads_the_nearest_pixels(rng, angle):
    data = rng.normal(0, 10, SHAPE).astype(np.float32)
    rms = rng.uniform(5, 15, SHAPE).astype(np.float32)
    bad = rng.random(SHAPE) < 0.1
    rms[9, 9] = 0
    distance, along, reach = 9.3, (-12, 20), 4
    found = strip(data, rms, bad, (angle, distance), along, reach)
    snr = np.full((SHAPE[0] + 120, SHAPE[1] + 120), np.nan)
    counts = ~bad & (rms > 0)
    snr[60:-60, 60:-60][counts] = data[counts] / rms[counts]
    t, k = np.mgrid[along[0] : along[1], -reach : reach + 1]
    point = (distance + k + 1j * t) * np.exp(1j * angle)
    expected = snr[np.rint(point.imag).astype(int) + 60, np.rint(point.real).astype(int) + 60]
    assert_allclose(found, expected, rtol=1e-5)
    assert np.isfinite(found).sum() > 20


@pytest.mark.parametrize("slope", [-0.2, 0.0, 0.15])
def test_steepest_finds_the_slope_of_a_band(rng, slope):
    snr = rng.normal(0, 1, (60, 41)).astype(np.float32)
    snr[rng.random(snr.shape) < 0.1] = np.nan
    for t in range(60):
        middle = round(22 + slope * (t - 30))
        snr[t, middle - 1 : middle + 2] += 3
    slopes = np.linspace(-0.3, 0.3, 13)
    window, width, clip = (12, 30), 3, 4.0
    found = steepest(snr, slopes, window, width, clip)
    assert_allclose(found[0], slope, atol=0.051)
    assert abs(found[1] - 22) <= 1

    clipped = np.clip(snr.astype(np.float64), -clip, clip)
    best = (-np.inf, 0.0, 0)
    for trial in slopes:
        shift = np.floor(trial * (np.arange(60) - 30) + 0.5).astype(int)
        for k in range(window[0], window[1]):
            columns = k + shift[:, None] + np.arange(-1, 2)
            inside = (columns >= 0) & (columns < 41)
            values = clipped[np.arange(60)[:, None], np.clip(columns, 0, 40)][inside]
            values = values[np.isfinite(values)]
            best = max(best, (values.sum() / np.sqrt(len(values)), trial, k))
    assert found == best[1:]


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, 2.6, -1.1])
@pytest.mark.parametrize("along", [(-5.0, 11.0), (-np.inf, np.inf)])
def test_paint_line_is_a_turned_band(rng, angle, along):
    before = rng.random(SHAPE) < 0.05
    marked = before.copy()
    paint_line(marked, (angle, 8.3), along, 1.7)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    turned = (x + 1j * y) * np.exp(-1j * angle)
    band = np.abs(turned.real - 8.3) <= 1.7
    band &= (turned.imag >= along[0]) & (turned.imag <= along[1])
    assert_array_equal(marked, before | band)
