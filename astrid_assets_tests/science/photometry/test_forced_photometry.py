"""Forced fluxes are the PSF fit at the place, seen or not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import fftconvolve

from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.photometry.forced_photometry import forced_fluxes, is_persistent_hole
from astrid_assets_tests.science.star_fields import star

SIGMA, FWHM = 4.0, 3.0
PSF = star(0.0, 0.0, FWHM, radius=12)
NORM = (PSF**2).sum()


def flux_image(image):
    """PSF fit at every pixel centre, by convolution; its error."""
    flux = fftconvolve(image, PSF[::-1, ::-1], mode="same") / NORM
    return flux, np.full(image.shape, SIGMA / np.sqrt(NORM))


def planes(image):
    flux, err = flux_image(image)
    score = (flux / err).astype(np.float32)
    return score, err.astype(np.float32), np.zeros(image.shape, dtype=np.uint16)


@pytest.fixture
def places(rng):
    return rng.uniform(20, 180, 60), rng.uniform(20, 180, 60)


def test_a_noiseless_source_keeps_its_flux_at_any_pixel_phase(places):
    for x, y in zip(*places, strict=True):
        image = np.zeros((200, 200))
        row, column = int(np.rint(y)), int(np.rint(x))
        stamp = star(x, y, FWHM, radius=12)
        image[row - 12 : row + 13, column - 12 : column + 13] += 1000 * stamp
        found = forced_fluxes(*planes(image), np.array([x]), np.array([y]))
        # The fit at a shifted place sees the PSF shifted as well.
        assert found.flux_e[0] == pytest.approx(1000, rel=0.02)


def test_blank_sky_scatters_by_the_error(rng):
    image = rng.normal(0, SIGMA, (400, 400))
    x, y = rng.uniform(20, 380, 900), rng.uniform(20, 380, 900)
    found = forced_fluxes(*planes(image), x, y)
    pull = found.flux_e / found.flux_err_e
    assert pull.mean() == pytest.approx(0, abs=0.15)
    assert pull.std() == pytest.approx(1, abs=0.1)


def test_at_pixel_centres_it_is_the_flux_image_itself(rng):
    image = rng.normal(0, SIGMA, (60, 60))
    score, err, mask = planes(image)
    found = forced_fluxes(score, err, mask, np.array([30.0, 0.0]), np.array([20.0, 59]))
    assert found.flux_e[0] == pytest.approx(score[20, 30] * err[20, 30], rel=1e-5)
    assert found.flux_e[1] == pytest.approx(score[59, 0] * err[59, 0], rel=1e-5)


def test_outside_there_is_nothing_and_under_a_mask_it_is_not_usable(rng):
    score, err, mask = planes(rng.normal(0, SIGMA, (60, 60)))
    mask[10, 12] = int(MaskBit.COSMIC_RAY)
    x = np.array([12.2, -3.0, np.nan, 200.0])
    y = np.array([9.9, 10.0, 10.0, 10.0])
    found = forced_fluxes(score, err, mask, x, y)
    assert np.isfinite(found.flux_e).tolist() == [True, False, False, False]
    assert found.is_usable.tolist() == [False, False, False, False]
    assert found.mask_bits[0] == int(MaskBit.COSMIC_RAY)


def test_a_source_of_the_reference_alone_is_a_hole(rng):
    error = np.full(12, 40.0)
    assert is_persistent_hole(-800 + rng.normal(0, 40, 12), error)
    once_hidden = -800 + rng.normal(0, 40, 12)
    once_hidden[3] = 5.0
    assert is_persistent_hole(once_hidden, error)


def test_variables_new_stars_and_noise_are_no_holes(rng):
    error = np.full(12, 40.0)
    phase = np.linspace(0, 6, 12)
    assert not is_persistent_hole(-800 * np.abs(np.sin(phase)) - 200, error)
    assert not is_persistent_hole(800 + rng.normal(0, 40, 12), error)
    assert not is_persistent_hole(rng.normal(0, 40, 12), error)
    assert not is_persistent_hole(np.full(3, -800.0), np.full(3, 40.0))
