"""Both methods agree where the PSFs are right, and tell where one is wrong."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.quality.cross_check import CHANGE_SIGMA, CrossCheck, cross_check
from astrid_assets.science.quality.difference_gates import methods_agree
from astrid_assets.science.simulation.pair import SimulatedPair, simulate_pair

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame

pytestmark = pytest.mark.slow

SETTINGS = DifferencingSettings()
BASE: dict[str, Any] = {"stars_per_mpx": 3500.0, "n_transients": 18, "negative_fraction": 0.3}


def pair(**options: Any) -> SimulatedPair:
    return simulate_pair(6, (384, 384), **(BASE | options))


def checked(
    science: Frame, reference: Frame, settings: DifferencingSettings = SETTINGS
) -> CrossCheck:
    difference = subtract(science, reference, settings)
    return cross_check(science, reference, difference, settings)


def number(check: CrossCheck, name: str) -> float:
    value = check.numbers()[name]
    assert isinstance(value, float)
    return value


@functools.cache
def right() -> CrossCheck:
    made = pair()
    return checked(made.science, made.reference)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"science_fwhm_px": 2.7, "reference_fwhm_px": 3.2},
        {"psf_variation": 0.1},
        {"jitter_px": 0.1, "shift_px": (3.3, -2.4)},
        {"flux_ratio": 2.0, "stars_per_mpx": 1500.0},
    ],
)
def test_right_pairs_agree(options):
    made = pair(**options)
    check = checked(made.science, made.reference)
    for verdict in methods_agree([check.numbers()], SETTINGS):
        assert verdict.passed, verdict.detail
    assert number(check, "star_difference") < 0.75 * SETTINGS.max_method_difference
    assert number(check, "flux_ratio") == pytest.approx(1, abs=0.01)
    assert number(check, "correlation") > 0.98


@pytest.mark.parametrize("side", ["science", "reference"])
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_a_psf_wrong_by_a_fifth_is_noticed(side, factor):
    made = pair()
    fwhm = {"science_fwhm_px": 3.2, "reference_fwhm_px": 2.7}
    other = pair(**{f"{side}_fwhm_px": fwhm[f"{side}_fwhm_px"] * factor})
    wrong = replace(getattr(made, side), psf=getattr(other, side).psf)
    spoiled = replace(made, **{side: wrong})
    numbers = checked(spoiled.science, spoiled.reference).numbers()
    at_stars = methods_agree([numbers], SETTINGS)[0]
    assert not at_stars.passed
    assert at_stars.value is not None
    assert at_stars.value > 1.2 * SETTINGS.max_method_difference


def test_every_bright_change_is_compared_once_and_blank_sky_on_a_grid():
    truth = [t for t in pair().transients if abs(t.snr) > 1.2 * CHANGE_SIGMA]
    assert len(right().changes.flux) >= len(truth) > 5
    fluxes = np.sort(right().changes.flux)
    for transient in truth:
        assert np.abs(fluxes / transient.flux_e - 1).min() < 0.2
    score = right().blank.flux / right().blank.flux_err
    assert len(score) > 1500
    # The changes themselves lie on some places of the grid.
    assert 1.4826 * np.median(np.abs(score)) == pytest.approx(1, abs=0.1)


def test_the_other_method_is_the_other_one():
    made = pair()
    kernel = SETTINGS.model_copy(update={"method": "kernel"})
    turned = checked(made.science, made.reference, kernel)
    assert right().method == "kernel"
    assert turned.method == "zogy"
    ratio = number(turned, "flux_ratio")
    assert ratio == pytest.approx(1 / number(right(), "flux_ratio"), abs=1e-3)


def test_a_frame_without_psf_is_refused():
    made = pair()
    difference = subtract(made.science, made.reference, SETTINGS)
    bare = replace(made.science, psf=None)
    with pytest.raises(FrameRejected, match="no PSF"):
        cross_check(bare, made.reference, difference, SETTINGS)
