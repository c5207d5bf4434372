"""Kernels of the noise patterns against numpy's sums, repeats and transforms."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.quality.noise_pattern_kernels import (
    along_columns,
    along_rows,
    clip_blank_sky,
    halve_snr,
    moments,
    strongest,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPES = [(20, 26), (21, 27)]


def residuals(rng, shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    residual = rng.normal(0, 20, shape).astype(np.float32)
    return residual, rng.uniform(5, 9, shape).astype(np.float32), rng.random(shape) < 0.3


@pytest.mark.parametrize("shape", SHAPES)
def test_halve_snr_averages_four_cut_pixels(rng, shape):
    residual, rms, bad = residuals(rng, shape)
    half = -(-shape[0] // 2), -(-shape[1] // 2)
    snr = np.where(bad, 0, np.clip(residual.astype(np.float64) / rms, -2, 3))
    full = np.full((2 * half[0], 2 * half[1]), np.nan)
    full[: shape[0], : shape[1]] = snr
    expected = np.nanmean(full.reshape(half[0], 2, half[1], 2), axis=(1, 3))
    small = untouched(half)
    halve_snr(residual, rms, bad, -2.0, 3.0, small, 1, half[0] - 1)
    assert_rows(small, expected, 1, half[0] - 1, rtol=1e-4, atol=1e-6)
    small = np.zeros(half, np.float32)
    halve_snr(residual, rms, bad, -2.0, 3.0, small, 0, half[0])
    np.testing.assert_allclose(small, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_clip_blank_sky_is_zero_at_sources_and_bad_pixels(rng, shape):
    residual, rms, bad = residuals(rng, shape)
    smooth = rng.normal(0, 1, (-(-shape[0] // 2), -(-shape[1] // 2))).astype(np.float32)
    snr, sky = untouched(shape), untouched(shape, bool)
    clip_blank_sky(residual, rms, bad, smooth, 1.0, 2.5, snr, sky, 3, 17)
    large = np.kron(smooth, np.ones((2, 2)))[: shape[0], : shape[1]]
    is_sky = ~bad & (large < 1)
    cut = np.clip(residual.astype(np.float64) / rms, -2.5, 2.5)
    assert_rows(sky, is_sky, 3, 17)
    assert_rows(snr, np.where(is_sky, cut, 0), 3, 17)


def sky_pixels(rng, shape) -> tuple[np.ndarray, np.ndarray]:
    sky = rng.random(shape) < 0.7
    return (rng.normal(0, 1, shape) * sky).astype(np.float32), sky


def test_moments_are_number_sum_and_squares_of_each_row(rng):
    snr, sky = sky_pixels(rng, (20, 26))
    sums = untouched((20, 3), np.float64)
    moments(snr, sky, sums, 3, 17)
    powers = [(np.where(sky, snr.astype(np.float64), 0) ** p).sum(axis=1) for p in (1, 2)]
    expected = np.transpose([np.count_nonzero(sky, axis=1), *powers])
    assert_rows(sums, expected, 3, 17, rtol=1e-4, atol=1e-5)


def test_along_rows_sums_strips_of_a_row(rng):
    snr, sky = sky_pixels(rng, (20, 26))
    total, count = untouched((20, 5)), untouched((20, 5), np.int32)
    along_rows(snr, sky, total, count, 5, 3, 17)
    edges = np.arange(0, 25, 5)  # the last pixel belongs to no strip
    expected = np.add.reduceat(snr[:, :25].astype(np.float64), edges, axis=1)
    assert_rows(total, expected, 3, 17, rtol=1e-4, atol=1e-5)
    assert_rows(count, np.add.reduceat(sky[:, :25].astype(int), edges, axis=1), 3, 17)


def test_along_columns_sums_strips_of_a_column(rng):
    snr, sky = sky_pixels(rng, (22, 26))
    total, count = untouched((5, 26)), untouched((5, 26), np.int32)
    along_columns(snr, sky, total, count, 4, 1, 4)
    edges = np.arange(0, 20, 4)
    expected = np.add.reduceat(snr[:20].astype(np.float64), edges, axis=0)
    assert_rows(total, expected, 1, 4, rtol=1e-4, atol=1e-5)
    assert_rows(count, np.add.reduceat(sky[:20].astype(int), edges, axis=0), 1, 4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("longest", [4.0, 1000.0])
def test_strongest_is_the_highest_power_off_both_axes(rng, shape, longest):
    spectrum = np.fft.rfft2(rng.normal(0, 1, shape)).astype(np.complex64)
    ny, nx = shape
    power = untouched((ny,), np.float64)
    strongest(spectrum, ny, nx, longest, power, 1, ny - 1)
    v, u = np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)
    # Wave numbers of 0 and 1 along either axis are rows and columns, not a pattern.
    off_axes = (np.abs(np.rint(v * ny)) >= 2) & (np.rint(u * nx) >= 2)
    counts = off_axes & (np.hypot(u, v) >= 1 / longest)
    expected = np.max(np.where(counts, np.abs(spectrum.astype(np.complex128)) ** 2, 0), axis=1)
    assert_rows(power, expected, 1, ny - 1)
    assert (expected > 0).any()


def test_strongest_finds_a_wave_that_was_added(rng):
    y, x = np.mgrid[:40, :50]
    wave = np.cos(2 * np.pi * (7 * y / 40 + 11 * x / 50))
    spectrum = np.fft.rfft2(wave + rng.normal(0, 0.3, wave.shape)).astype(np.complex64)
    power = np.zeros(40)
    strongest(spectrum, 40, 50, 30.0, power, 0, 40)
    assert np.argmax(power) == 7
    # A cosine's power is half the number of pixels, squared.
    assert power[7] == pytest.approx((wave.size / 2) ** 2, rel=0.1)
