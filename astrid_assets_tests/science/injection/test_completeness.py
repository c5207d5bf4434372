"""Shares and errors of injections against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.injection.completeness import (
    by_snr,
    errors_by_snr,
    position_scale_px,
    shares_above,
)
from astrid_assets.science.injection.sources import SNR_EDGES
from astrid_assets.science.simulation.pair import simulate_pair


@pytest.mark.parametrize("sigma", [1.0, 1.4, 2.5])
def test_a_gaussians_position_error_is_root_two_sigma_over_snr(sigma):
    y, x = np.mgrid[-15:16, -15:16]
    stamp = np.exp(-(x * x + y * y) / (2 * sigma**2)).astype(np.float32)
    assert position_scale_px(stamp / stamp.sum()) == pytest.approx(np.sqrt(2) * sigma, rel=0.01)


@pytest.mark.slow
def test_positions_in_a_difference_scatter_as_its_psf_wants():
    pair = simulate_pair(2, (256, 256), n_transients=0, stars_per_mpx=4000)
    psf = subtract(pair.science, pair.reference, DifferencingSettings()).psf_d
    scale, rng = position_scale_px(psf), np.random.default_rng(5)
    # An independent way: fit a shift to noisy copies, linearised by the PSF's slope.
    spectrum = np.fft.fft2(psf)
    slope = np.fft.ifft2(spectrum * 2j * np.pi * np.fft.fftfreq(len(psf))).real
    sigma = np.sqrt((psf.astype(float) ** 2).sum()) / 30  # S/N 30 at unit flux
    noise = rng.normal(0, sigma, (4000, *psf.shape))
    shifts = -(noise * slope).sum(axis=(1, 2)) / (slope**2).sum()
    assert shifts.std() == pytest.approx(scale / 30, rel=0.06)


def test_counts_by_significance_are_complete():
    snr = np.array([3.5, 4.9, 6, 8, 12, 15, 40, 60])
    found = snr > 7
    assert by_snr(snr, found) == ([2, 1, 1, 2, 2], [0, 0, 1, 2, 2])


def test_shares_are_told_by_place_and_sign():
    snr = np.array([12.0, -15, 20, 30, -4])
    found = np.array([True, False, True, True, True])
    on_galaxy = np.array([True, True, False, False, False])
    told = shares_above(snr, found, on_galaxy)
    assert told["on_galaxies"] == {"injected": 2, "found": 1}
    assert told["off_galaxies"] == {"injected": 2, "found": 2}
    assert told["brighter"] == {"injected": 3, "found": 3}
    assert told["fainter"] == {"injected": 1, "found": 0}


def test_errors_of_honest_measurements_are_what_theory_says():
    rng, n = np.random.default_rng(3), 20_000
    snr = np.exp(rng.uniform(np.log(3), np.log(60), n))
    flux, error = 10 * snr, np.full(n, 10.0)
    measured = flux + rng.normal(0, 10, n)
    theory = 1.5 / snr
    offsets = rng.normal(0, 1, (n, 2)) * theory[:, None]
    told = errors_by_snr(snr, flux, measured, error, offsets, theory)
    assert told["flux_pull"] == pytest.approx([1] * 5, abs=0.06)
    assert told["flux_within_error"] == pytest.approx([0.683] * 5, abs=0.03)
    assert told["flux_bias"] == pytest.approx([0] * 5, abs=0.02)
    assert told["position_px"] == pytest.approx(told["position_theory_px"], rel=0.1)


def test_too_few_sources_tell_nothing():
    few = np.array([12.0, 13.0])
    told = errors_by_snr(few, few, few, few, np.zeros((2, 2)), few)
    assert told["flux_pull"] == [None] * (len(SNR_EDGES) - 1)
