"""Correlated noise: what is measured is what was put in, stars or not."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.differencing.noise_spectrum import (
    measure_spectrum,
    psf_factor,
)

SHAPE = (400, 420)


def row_filtered(rng):
    """Noise whose neighbours along a row have correlation -0.4."""
    white = rng.normal(size=(SHAPE[0], SHAPE[1] + 1))
    return ((white[:, :-1] - 0.5 * white[:, 1:]) / np.sqrt(1.25)).astype(np.float32)


def psf(fwhm=3.2, size=25):
    r = np.arange(size) - size // 2
    g = np.exp(-0.5 * (r * 2.3548 / fwhm) ** 2)
    return (np.outer(g, g) / g.sum() ** 2).astype(np.float32)


def measured(image):
    return measure_spectrum(image, 1.0, np.ones(SHAPE, bool), 3.2)


def faint_stars(rng, flux):
    stars = np.zeros(SHAPE, np.float32)
    for x, y in rng.integers(15, 380, (1500, 2)):
        stars[y - 12 : y + 13, x - 12 : x + 13] += flux * psf()
    return stars


def test_white_noise_is_found_white(rng):
    spectrum = measured(rng.normal(size=SHAPE).astype(np.float32))
    assert psf_factor(psf(), spectrum.axes) == pytest.approx(1, abs=0.03)


def test_a_known_correlation_along_rows_is_found_there_only(rng):
    spectrum = measured(row_filtered(rng))
    assert spectrum.along_x[1] == pytest.approx(-0.4, abs=0.02)
    assert np.abs(spectrum.along_x[2:]).max() < 0.03
    assert np.abs(spectrum.along_y[1:]).max() < 0.03


def test_undetected_stars_are_not_taken_for_noise(rng):
    crowded = row_filtered(rng) + faint_stars(rng, flux=25.0)
    spectrum = measured(crowded)
    # By the plain autocovariance these stars would hide the anticorrelation.
    assert (crowded[:, 1:] * crowded[:, :-1]).mean() > -0.3
    assert spectrum.along_x[1] == pytest.approx(-0.4, abs=0.03)


def test_the_factor_is_the_scatter_of_matched_filtered_noise(rng):
    noise = row_filtered(rng)
    kernel = psf()
    padded = np.zeros(SHAPE)
    padded[:25, :25] = kernel
    filtered = np.fft.irfft2(np.fft.rfft2(noise) * np.fft.rfft2(padded), SHAPE)
    expected = filtered.std() / np.sqrt((kernel**2).sum())
    factor = psf_factor(kernel, measured(noise).axes)
    assert factor == pytest.approx(expected, rel=0.03)
    assert factor < 0.6


def test_without_blank_sky_nothing_is_claimed(rng):
    image = rng.normal(size=SHAPE).astype(np.float32) + 100
    spectrum = measured(image)
    assert not spectrum.is_measured
    assert all(np.all(axis == 1) for axis in spectrum.axes((32, 32)))


def test_a_known_factor_keeps_the_shape_of_the_spectrum(rng):
    spectrum = measured(row_filtered(rng))
    scaled = spectrum.scaled_to(0.8, psf())
    assert psf_factor(psf(), scaled.axes) == pytest.approx(0.8)
    before, after = (np.outer(*s.axes((64, 64))) for s in (spectrum, scaled))
    assert np.ptp(after / before) == pytest.approx(0, abs=1e-5)
