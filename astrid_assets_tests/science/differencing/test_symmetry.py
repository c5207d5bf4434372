"""Swapping science and reference flips signs: exactly, where nothing is measured."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.filters import Noises
from astrid_assets.science.differencing.noise import ErrorTerms, score_of
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.differencing.zogy import match
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.simulation.pair import simulate_pair

SHAPE = (300, 280)
TERMS = ErrorTerms(jitter_px=0.03, psf_error=0.006)
PSFS = {"constant": {}, "varying": {"psf_variation": 0.1}}
FRAMES = {
    "alike": {},
    "varying": {"psf_variation": 0.08},
    "thin clouds": {"flux_ratio": 0.7},
}


@functools.cache
def pair_of(shape, **options):
    return simulate_pair(
        3,
        shape,
        n_transients=16,
        snr_range=(8, 40),
        negative_fraction=0.5,
        reference_exposures=1,
        **options,
    )


def products(science, reference):
    """Return D, flux, its variance, error and S_corr; nothing of them is measured."""
    noises = Noises(science.sky_rms_e, reference.sky_rms_e)
    matched = match(
        science.data,
        reference.data,
        science.psf.coefficients,
        reference.psf.coefficients,
        science.variance,
        reference.variance,
        noises,
    )
    usable = ((science.mask | reference.mask) & UNUSABLE) == 0
    flux, error, score = score_of(matched, usable, TERMS, 3.0)
    return matched, flux, error, score


@pytest.mark.slow
@pytest.mark.parametrize("kind", PSFS)
def test_difference_flux_and_score_flip_exactly(kind):
    pair = pair_of(SHAPE, **PSFS[kind])
    assert pair.science.psf is not None
    assert len(pair.science.psf.coefficients) == (6 if kind == "varying" else 1)
    there, flux, error, score = products(pair.science, pair.reference)
    back, back_flux, back_error, back_score = products(pair.reference, pair.science)
    assert np.abs(score).max() > 20
    np.testing.assert_array_equal(back.d, -there.d)
    np.testing.assert_array_equal(back_flux, -flux)
    np.testing.assert_array_equal(back_score, -score)
    np.testing.assert_array_equal(back_error, error)
    np.testing.assert_array_equal(back.variance, there.variance)
    np.testing.assert_array_equal(back.psf_d, there.psf_d)


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMES)
def test_two_frames_on_one_grid_flip_but_for_what_stars_tell(name):
    """Offset and flux ratio are measured anew, each time on the other frame's stars."""
    pair = pair_of((448, 448), **FRAMES[name])
    settings = DifferencingSettings()
    there = subtract(pair.science, pair.reference, settings)
    back = subtract(pair.reference, pair.science, settings)
    assert back.flux_ratio == pytest.approx(1 / there.flux_ratio, rel=0.01)
    good = ((there.mask | back.mask) & UNUSABLE) == 0
    left = there.score[good] + back.score[good]
    assert np.sqrt(np.mean(left**2)) < 0.1

    kept = [
        [c for c in detect(d, frame, DetectionSettings()) if c.is_kept]
        for d, frame in ((there, pair.science), (back, pair.reference))
    ]
    assert len(kept[0]) >= 16
    for one in kept[0]:
        (other,) = [c for c in kept[1] if np.hypot(c.x - one.x, c.y - one.y) < 1.5]
        assert other.sign == -one.sign
        assert other.score == pytest.approx(-one.score, abs=0.8)
        in_science = other.flux_e * there.flux_ratio
        assert in_science == pytest.approx(-one.flux_e, abs=0.3 * one.flux_err_e)
