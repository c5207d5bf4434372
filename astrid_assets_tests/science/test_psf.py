"""The PSF: recovered from stars, of unit sum, and only as flexible as they allow."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.psf import fit_psf
from astrid_assets.science.psf_fitting import stamp_fwhm
from astrid_assets.science.stars import measure_stars
from astrid_assets_tests.science.star_fields import (
    flat_frame,
    noisy,
    paint,
    star,
    star_field,
)


@pytest.mark.parametrize("fwhm_px", [2.2, 3.0, 5.0])
def test_the_psf_of_many_stars_is_the_painted_one(rng, fwhm_px):
    frame = flat_frame(star_field(rng, 90, fwhm_px=fwhm_px).image, 300, 5)
    psf = fit_psf(frame, measure_stars(frame))
    truth = star(0, 0, fwhm_px, radius=psf.size // 2)
    assert np.abs(psf.centre - truth).sum() < 0.08
    assert psf.fwhm_px == pytest.approx(stamp_fwhm(truth.astype(np.float32)), rel=0.03)


def test_few_stars_make_a_constant_psf(rng):
    frame = flat_frame(star_field(rng, 10, faintest_e=5000).image, 300, 5)
    psf = fit_psf(frame, measure_stars(frame))
    assert len(psf.coefficients) == 1
    assert psf.n_stars <= 10


def test_unit_sum_everywhere_and_odd_size(rng):
    frame = flat_frame(star_field(rng, 150, (512, 512)).image, 300, 5)
    psf = fit_psf(frame, measure_stars(frame))
    assert psf.size % 2 == 1
    assert len(psf.coefficients) == 1
    for x, y in ((0, 0), (511, 0), (100, 400), (511, 511)):
        assert psf.at(x, y).sum() == pytest.approx(1, abs=1e-5)


def test_a_varying_psf_is_followed(rng):
    shape, n = (512, 512), 160
    x, y = rng.uniform(15, 497, (2, n))
    flux = rng.uniform(2e4, 1e5, n)
    light = np.zeros(shape)
    for one in zip(x, y, flux, strict=True):
        width = 2.8 + 1.2 * one[0] / shape[1]
        light += paint(shape, *(np.array([value]) for value in one), width)
    frame = flat_frame(noisy(rng, light), 300, 5)
    psf = fit_psf(frame, measure_stars(frame))
    left, right = stamp_fwhm(psf.at(40, 256)), stamp_fwhm(psf.at(472, 256))
    truth = [stamp_fwhm(star(0, 0, 2.8 + 1.2 * at / 512)) for at in (40, 472)]
    assert (left, right) == pytest.approx(truth, rel=0.02)


def test_neighbours_of_psf_stars_do_not_enter(rng):
    field = star_field(rng, 500, fwhm_px=3.0, faintest_e=400)
    frame = flat_frame(field.image, 300, 5)
    psf = fit_psf(frame, measure_stars(frame))
    truth = star(0, 0, 3.0, radius=psf.size // 2)
    assert np.abs(psf.centre - truth).sum() < 0.12


def test_without_stars_there_is_no_psf(rng):
    frame = flat_frame(noisy(rng, np.zeros((256, 256))), 300, 5)
    with pytest.raises(TooFewStars, match="stars for the PSF"):
        fit_psf(frame, measure_stars(frame))
