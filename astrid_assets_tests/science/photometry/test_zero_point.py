"""Zero points against known flux ratios."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.frame import PsfModel
from astrid_assets.science.photometry.zero_point import limiting_mag, weighted_median, zero_point
from astrid_assets.science.stars.measurement import StarFlag
from astrid_assets_tests.science.astrometry.test_solution import SHAPE, random_stars, star_list
from astrid_assets_tests.science.star_fields import star


def pair(rng, ratio, n=60):
    anchor = star_list(*random_stars(rng, n))
    noise = rng.normal(1, 0.01, n)
    return replace(anchor, flux=anchor.flux * ratio * noise), anchor


def noisy_pair(rng, ratio, n):
    """Two star lists with the photon noise they claim, and 1 % on top."""
    x, y, flux = random_stars(rng, n)
    first, second = star_list(x, y, 20 * flux), star_list(x, y, 20 * flux * ratio)
    return tuple(
        replace(s, flux=(s.flux + rng.normal(0, s.flux_err)) * rng.normal(1, 0.01, n))
        for s in (second, first)
    )


@pytest.mark.parametrize("ratio", [0.05, 0.5, 1.0, 3.0])
def test_the_zero_point_is_the_flux_ratio_in_magnitudes(rng, ratio):
    stars, anchor = pair(rng, ratio)
    found = zero_point(stars, anchor, 25.0)
    assert found.mag == pytest.approx(25 + 2.5 * np.log10(ratio), abs=0.01)
    assert found.flux_ratio == pytest.approx(ratio, rel=0.01)
    assert found.scatter_mag < 0.05


def test_variable_stars_do_not_move_it(rng):
    stars, anchor = pair(rng, 0.8)
    flux = stars.flux.copy()
    flux[::5] *= 4
    found = zero_point(replace(stars, flux=flux), anchor, 25.0)
    assert found.flux_ratio == pytest.approx(0.8, rel=0.015)


def test_saturated_stars_are_left_out(rng):
    stars, anchor = pair(rng, 1.0)
    flux, flag = stars.flux.copy(), stars.flag.copy()
    flux[:20] *= 0.5
    flag[:20] = StarFlag.SATURATED
    found = zero_point(replace(stars, flux=flux, flag=flag), anchor, 25.0)
    assert found.flux_ratio == pytest.approx(1, rel=0.01)


@pytest.mark.slow
def test_the_error_is_that_of_the_noise():
    """Over many skies the zero points scatter by what each says of itself."""
    pulls = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        stars, anchor = noisy_pair(rng, 0.7, 40)
        found = zero_point(stars, anchor, 25.0)
        pulls.append((found.mag - 25 - 2.5 * np.log10(0.7)) / found.error_mag)
    assert np.std(pulls) == pytest.approx(1, abs=0.2)
    assert np.mean(pulls) == pytest.approx(0, abs=0.3)


def test_a_hundred_bright_stars_give_half_a_per_cent(rng):
    stars, anchor = noisy_pair(rng, 0.7, 100)
    found = zero_point(stars, anchor, 25.0)
    assert found.flux_ratio == pytest.approx(0.7, rel=0.005)
    assert found.error_mag < 0.005


def test_a_third_of_variables_is_noticed_and_has_no_say(rng):
    stars, anchor = noisy_pair(rng, 1.0, 90)
    flux = stars.flux.copy()
    flux[::3] *= rng.choice([0.3, 2.5], 30)
    found = zero_point(replace(stars, flux=flux), anchor, 25.0)
    assert found.flux_ratio == pytest.approx(1, rel=0.008)
    # All those that are bright enough to be compared.
    assert found.n_outliers >= found.n_stars - 60
    assert found.n_outliers > 10


def test_a_gradient_over_the_frame_is_noticed(rng):
    stars, anchor = noisy_pair(rng, 1.0, 150)
    dimmed = stars.flux * 10 ** (-0.4 * 0.12 * stars.x / SHAPE[1])
    found = zero_point(replace(stars, flux=dimmed), anchor, 25.0, SHAPE)
    assert found.field.gradient_mag == pytest.approx(0.12, abs=0.03)
    assert found.field.is_uneven


def test_a_cloud_in_a_corner_is_noticed(rng):
    stars, anchor = noisy_pair(rng, 1.0, 200)
    under = (stars.x > 470) & (stars.y > 400)
    found = zero_point(
        replace(stars, flux=stars.flux * np.where(under, 0.8, 1)), anchor, 25.0, SHAPE
    )
    assert found.field.cell_mag == pytest.approx(2.5 * np.log10(0.8), abs=0.04)
    assert found.field.grid_mag[2, 2] == found.field.cell_mag
    assert found.field.is_uneven


@pytest.mark.slow
def test_an_even_field_is_even():
    uneven = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        stars, anchor = noisy_pair(rng, 0.4, int(rng.integers(12, 200)))
        uneven += zero_point(stars, anchor, 25.0, SHAPE).field.is_uneven
    assert uneven == 0


def test_few_stars_say_nothing_about_the_field(rng):
    stars, anchor = noisy_pair(rng, 1.0, 8)
    field = zero_point(stars, anchor, 25.0, SHAPE).field
    assert np.isnan(field.gradient_mag)
    assert not field.is_uneven


def test_one_star_is_too_few(rng):
    stars, anchor = pair(rng, 1.0, n=1)
    with pytest.raises(TooFewStars, match="zero point"):
        zero_point(stars, anchor, 25.0)


def test_a_star_at_the_limit_has_five_sigma():
    stamp = star(0, 0, 3.0, radius=15).astype(np.float32)
    psf = PsfModel(stamp[None], (100, 100), 3.0, 10)
    limit = limiting_mag(25.0, 18.0, psf)
    flux = 10 ** (0.4 * (25 - limit))
    # Optimal photometry: S/N = flux sqrt(sum P^2) / sigma.
    assert flux * np.sqrt((stamp**2).sum()) / 18.0 == pytest.approx(5, rel=1e-3)


def test_weights_decide_the_median():
    values, weights = np.array([1.0, 2.0, 10.0]), np.array([1.0, 1.0, 50.0])
    assert weighted_median(values, weights) > 9
