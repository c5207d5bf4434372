"""Limits of a difference: each broken one is named with its value and limit."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from astrid_assets.science.differencing.judgement import flags_of, reasons_against
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.simulation.pair import simulate_pair

if TYPE_CHECKING:
    from astrid_assets.science.differencing.difference import Difference

SETTINGS = DifferencingSettings()


@functools.cache
def difference() -> Difference:
    pair = simulate_pair(1, (256, 256), n_transients=0, stars_per_mpx=4000.0)
    return subtract(pair.science, pair.reference, SETTINGS)


def residual_power_of(made: Difference) -> float:
    assert made.residual_power is not None
    return made.residual_power


@pytest.mark.slow
def test_a_good_subtraction_breaks_no_limit():
    assert reasons_against(difference(), SETTINGS) == ()
    assert flags_of(difference(), 1.0, (1.0, 1.0), SETTINGS) == ()
    # Registration is known to 0.02 px: what stars leave is mostly noise.
    assert residual_power_of(difference()) < 0.01


@pytest.mark.parametrize(
    ("name", "value", "code", "limit"),
    [
        ("coverage", 0.08, "low_coverage", 0.1),
        ("flux_ratio", 6.0, "flux_ratio", 5.0),
        ("offset_px", 3.5, "misregistered", 3.0),
        ("residual_power", 0.25, "residual_power", 0.2),
        ("std_score", 1.7, "noisy_score", 1.5),
        ("std_score", 0.6, "overestimated_noise", 0.7),
    ],
)
def test_a_broken_limit_is_a_reason(name, value, code, limit):
    broken = replace(difference(), **{name: value})
    (reason,) = reasons_against(broken, SETTINGS)
    assert reason.code == code
    assert reason.measurements == {name: value, "limit": limit}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("coverage", 0.15, "partial_coverage"),
        ("n_stars", 5, "few_stars"),
        ("flux_ratio_scatter", 0.2, "flux_ratio_scatter"),
        ("astrometric_noise_px", 0.4, "astrometric_noise"),
        ("psf_error", 0.12, "poor_psf_match"),
    ],
)
def test_what_people_should_look_at_is_a_flag(name, value, code):
    odd = replace(difference(), **{name: value})
    assert reasons_against(odd, SETTINGS) == ()
    (flag,) = flags_of(odd, 1.0, (1.0, 1.0), SETTINGS)
    assert flag.code == code
    assert value in flag.measurements.values()


def test_flux_ratios_of_stars_and_zero_points_must_agree():
    (flag,) = flags_of(difference(), 1.5, (1.0, 1.0), SETTINGS)
    assert flag.code == "flux_ratio_disagrees"


def test_a_wrong_psf_leaves_power_at_the_stars():
    pair = simulate_pair(1, (256, 256), n_transients=0, stars_per_mpx=4000.0)
    wide = simulate_pair(2, (256, 256), n_transients=0, science_fwhm_px=5.5)
    wrong = replace(pair.science, psf=wide.science.psf)
    d = subtract(wrong, pair.reference, SETTINGS)
    assert residual_power_of(d) > 0.01 > 10 * residual_power_of(difference())
