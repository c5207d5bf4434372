"""Residuals and maps of a PSF say what is true of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.psf.residuals import psf_maps, psf_residuals
from astrid_assets.science.stars.measurement import measure_stars
from astrid_assets_tests.science.psf_fields import known_field


@pytest.mark.slow
def test_a_good_psf_leaves_less_than_a_hundredth_of_the_peak(rng):
    field = known_field(rng, 100, 640, spread=True)
    stars = measure_stars(field.frame)
    found = psf_residuals(field.frame, fit_psf(field.frame, stars), stars)
    assert len(found.over_peak) > 80
    assert found.typical < 0.01
    assert np.abs(found.mean_stamp).max() < 0.01


@pytest.mark.slow
def test_a_wrong_psf_shows_how_much(rng):
    field = known_field(rng, 100, 640, spread=True)
    stars = measure_stars(field.frame)
    psf = fit_psf(field.frame, stars)
    wider = known_field(rng, 100, 640, spread=True, fwhm_px=3.6).psf.model()
    found = psf_residuals(field.frame, replace(psf, **vars(wider)), stars)
    assert found.typical > 0.02
    # A PSF that is too wide leaves light in the middle.
    middle = len(found.mean_stamp) // 2
    assert found.mean_stamp[middle, middle] > 0.05


@pytest.mark.slow
def test_the_maps_are_those_of_the_painted_psf(rng):
    field = known_field(rng, 200, 768, spread=True, fwhm_slope=(0.1, 0.0), ellipticity=(0.1, 0.0))
    maps = psf_maps(fit_psf(field.frame, measure_stars(field.frame)), 5)
    truth = psf_maps(field.psf.model(), 5)
    widths = truth.fwhm_px / truth.fwhm_px[2, 2]
    assert maps.fwhm_px / maps.fwhm_px[2, 2] == pytest.approx(widths, rel=0.01)
    assert maps.ellipticity == pytest.approx(truth.ellipticity, abs=0.015)
    # The direction of an axis comes back after half a turn.
    turn = np.angle(np.exp(2j * (maps.angle_rad - truth.angle_rad))) / 2
    assert np.abs(turn).max() < 0.1
    assert (np.diff(maps.fwhm_px, axis=1) > 0).all()
