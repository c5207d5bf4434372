"""Zero points against known flux ratios."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.psf import PsfModel
from astrid_assets.science.stars import StarFlag
from astrid_assets.science.zero_point import limiting_mag, weighted_median, zero_point
from astrid_assets_tests.science.star_fields import star
from astrid_assets_tests.science.test_astrometry import random_stars, star_list


def pair(rng, ratio, n=60):
    anchor = star_list(*random_stars(rng, n))
    noise = rng.normal(1, 0.01, n)
    return replace(anchor, flux=anchor.flux * ratio * noise), anchor


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
