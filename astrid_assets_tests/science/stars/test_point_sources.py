"""PSF photometry: places and fluxes as good as photons allow, errors that are true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.frame import PsfModel
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.simulation.point_spread import star_stamps
from astrid_assets.science.stars.measurement import measure_stars
from astrid_assets.science.stars.point_sources import fit_point_sources, psf_flux
from astrid_assets_tests.science.psf_fields import (
    READ_NOISE_E,
    SKY_E,
    known_field,
    painted,
    pixels_at,
)


def true_model(field) -> PsfModel:
    """Return the true PSF, oversampled, as a model: no error of a fit."""
    step, half = 3, 12
    fine = np.zeros((2 * half * step + 1,) * 2)
    middle = np.array([field.side / 2])
    for a in range(step):
        for b in range(step):
            off = np.array([-b / step]), np.array([-a / step])
            stamp = star_stamps(field.psf, middle, middle, *off, half)[0]
            part = fine[a::step, b::step]
            part[:] = stamp[: part.shape[0], : part.shape[1]]
    return PsfModel(fine[None].astype(np.float32), field.frame.shape, field.psf.fwhm_px, 0, step)


def cramer_rao(field, flux) -> tuple[float, float]:
    """Return the least possible errors of x (pixels) and flux, place and flux free."""
    step = 1e-3
    half = 2 * (field.psf.size // 2) + 1
    sides = [pixels_at(field.psf, 60.2 + d, 60.3, half) for d in (-step, 0, step)]
    slope = flux * (sides[2] - sides[0]) / (2 * step)
    variance = SKY_E + READ_NOISE_E**2 + flux * sides[1]
    return (
        float(1 / np.sqrt((slope**2 / variance).sum())),
        float(1 / np.sqrt((sides[1] ** 2 / variance).sum())),
    )


@pytest.mark.slow
@pytest.mark.parametrize("fwhm_px", [1.5, 3.0, 5.0])
@pytest.mark.parametrize("flux", [3000.0, 1e5])
def test_places_and_fluxes_are_as_good_as_photons_allow(rng, fwhm_px, flux):
    field = known_field(
        rng, 900, 1200, spread=True, fwhm_px=fwhm_px, faintest_e=flux, brightest_e=flux
    )
    start = field.x + rng.normal(0, 0.05, 900), field.y + rng.normal(0, 0.05, 900)
    found = fit_point_sources(field.frame, true_model(field), *start)
    least_x, least_flux = cramer_rao(field, flux)
    for off in (found.x - field.x, found.y - field.y):
        assert abs(off.mean()) < 0.02 * least_x + 4 * least_x / 30
        assert off.std() < 1.2 * least_x
    assert found.flux.mean() == pytest.approx(flux, rel=0.005)
    # Weights of the sky alone cost bright stars some precision.
    assert found.flux.std() < 1.35 * least_flux
    covered = np.abs(found.flux - flux) < found.flux_err
    assert np.mean(covered) == pytest.approx(0.683, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("fwhm_px", [1.5, 3.0])
def test_with_the_measured_psf_places_and_fluxes_have_no_bias(rng, fwhm_px):
    field = known_field(rng, 225, 768, spread=True, fwhm_px=fwhm_px)
    psf = fit_psf(field.frame, measure_stars(field.frame))
    found = fit_point_sources(field.frame, psf, field.x, field.y)
    assert np.abs([(found.x - field.x).mean(), (found.y - field.y).mean()]).max() < 0.01
    assert np.std(found.x - field.x) < 0.02
    phase = field.x - np.rint(field.x)
    for low in (-0.5, -0.25, 0.0, 0.25):
        here = (phase >= low) & (phase < low + 0.25)
        assert abs((found.x - field.x)[here].mean()) < 0.02
    # The model has unit sum within its stamp; half a per cent of the light is beyond.
    assert np.median(found.flux / field.flux) == pytest.approx(1, abs=0.005)


def test_a_neighbour_is_taken_away(rng):
    field = known_field(rng, 1, 96)
    x, y = np.array([45.2, 49.4]), np.array([48.0, 49.1])
    flux = np.array([1e5, 1e4])
    light = painted(field.psf, x, y, flux)
    frame = replace(
        field.frame, data=light.astype(np.float32), variance=(light + 325).astype(np.float32)
    )
    found = fit_point_sources(frame, true_model(field), x, y, sweeps=4)
    assert found.flux == pytest.approx(flux, rel=0.01)
    assert np.abs(found.residual).max() < 0.005 * light.max()
    alone = psf_flux(frame, true_model(field), x, y)[0]
    assert alone[1] > 1.5 * flux[1]


def test_an_unusable_star_has_no_flux_and_hurts_no_other(rng):
    field = known_field(rng, 25, 300, spread=True)
    mask = field.frame.mask.copy()
    row, column = round(field.y[3]), round(field.x[3])
    mask[row - 3 : row + 4, column - 3 : column + 4] = np.uint16(MaskBit.BAD)
    frame = replace(field.frame, mask=mask)
    model = true_model(field)
    found = fit_point_sources(frame, model, field.x, field.y)
    whole = fit_point_sources(field.frame, model, field.x, field.y)
    assert np.isnan(found.flux[3])
    others = np.arange(25) != 3
    assert found.flux[others] == pytest.approx(whole.flux[others], rel=0.01)


def test_a_flux_is_linear_in_the_image(rng):
    field = known_field(rng, 16, 200, spread=True)
    model = true_model(field)
    once = psf_flux(field.frame, model, field.x, field.y)[0]
    tripled = replace(field.frame, data=field.frame.data * np.float32(3))
    assert psf_flux(tripled, model, field.x, field.y)[0] == pytest.approx(3 * once, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    x=st.floats(-1e6, 1e6) | st.just(np.nan),
    y=st.floats(-1e6, 1e6) | st.just(np.inf),
)
def test_any_place_is_safe(seed, x, y):
    rng = np.random.default_rng(seed)
    field = known_field(rng, 3, 64)
    data = field.frame.data.copy()
    data[rng.random(data.shape) < 0.2] = np.nan
    frame = replace(field.frame, data=data)
    at = np.array([x, 10.0, 0.0]), np.array([y, 20.0, 63.0])
    model = field.psf.model()
    flux, error = psf_flux(frame, model, *at)
    if not (np.isfinite(x) and np.isfinite(y)) or max(abs(x), abs(y)) > 100:
        assert np.isnan(flux[0])
    np.testing.assert_array_equal(np.isfinite(flux), np.isfinite(error))
    assert (error[np.isfinite(error)] > 0).all()
    found = fit_point_sources(frame, model, *at)
    assert np.isfinite(found.residual).all()
