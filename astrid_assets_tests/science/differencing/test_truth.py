"""Significance, noise and flux of whole subtractions are those of theory."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
import pytest
from scipy.stats import norm

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.simulation.pair import simulate_pair

pytestmark = pytest.mark.slow

SHAPE = (448, 448)
SEEDS = range(100, 104)
KINDS = {
    "stars": {},
    "shifted, varying PSF": {"psf_variation": 0.05, "shift_px": (0.3, 0.6)},
    "reference no deeper": {"reference_exposures": 1, "shift_px": (0.5, 0.5)},
}
STAR_REACH_PX, BRIGHT_REACH_PX, BRIGHT_E = 12, 24, 20_000
Method = Literal["zogy", "kernel"]
METHODS: tuple[Method, ...] = ("zogy", "kernel")


@functools.cache
def subtracted(seed, method: Method = "zogy", **options):
    pair = simulate_pair(seed, SHAPE, **options)
    settings = DifferencingSettings(method=method)
    return pair, subtract(pair.science, pair.reference, settings)


def far_from_stars(pair, difference):
    ok = (difference.mask & UNUSABLE) == 0
    for x, y, flux in zip(pair.stars_x, pair.stars_y, pair.stars_flux_e, strict=True):
        reach = BRIGHT_REACH_PX if flux > BRIGHT_E else STAR_REACH_PX
        column, row = int(x), int(y)
        ok[
            max(row - reach, 0) : max(row + reach + 1, 0),
            max(column - reach, 0) : max(column + reach + 1, 0),
        ] = False
    return ok


@pytest.mark.parametrize("kind", KINDS)
def test_blank_sky_scores_have_unit_scatter(kind):
    stds = [subtracted(s, n_transients=0, **KINDS[kind])[1].std_score for s in SEEDS]
    assert np.mean(stds) == pytest.approx(1, abs=0.015)
    np.testing.assert_allclose(stds, 1, atol=0.025)


def test_scores_far_from_stars_are_gaussian_into_the_tails():
    scores = []
    for seed in SEEDS:
        pair, difference = subtracted(seed, n_transients=0, stars_per_mpx=300.0)
        scores.append(difference.score[far_from_stars(pair, difference)])
    score = np.concatenate(scores)
    assert len(score) > 400_000
    assert score.std() == pytest.approx(1, abs=0.02)
    assert score.mean() == pytest.approx(0, abs=0.02)
    for sigma, allowed in ((2, 1.1), (3, 1.25), (4, 1.6)):
        expected = 2 * norm.sf(sigma)
        assert np.mean(np.abs(score) > sigma) < allowed * expected


@functools.cache
def measured_transients(**options):
    """Return theoretical S/N, relative flux error and pull of bright transients."""
    rows, total = [], 0
    for seed in SEEDS:
        pair, difference = subtracted(
            seed, n_transients=25, snr_range=(20.0, 60.0), negative_fraction=0.3, **options
        )
        kept = [c for c in detect(difference, pair.science, DetectionSettings()) if c.is_kept]
        total += len(pair.transients)
        for t in pair.transients:
            near = [c for c in kept if np.hypot(c.x - t.x, c.y - t.y) < 2]
            if not near:
                continue
            error = near[0].flux_e - t.flux_e
            rows.append((near[0].score / t.snr, error / t.flux_e, error / near[0].flux_err_e))
    assert len(rows) >= 0.98 * total
    return np.array(rows).T


@pytest.mark.parametrize("kind", KINDS)
def test_bright_transients_keep_flux_and_significance(kind):
    significance, relative, pull = measured_transients(**KINDS[kind])
    # 100 sources of S/N 35: the mean error is known to 0.3 %.
    assert abs(np.mean(relative)) < 0.01
    assert np.median(significance) == pytest.approx(1, abs=0.03)
    # 100 pulls know their share within one sigma to 5 %.
    assert np.mean(np.abs(pull) < 1) == pytest.approx(0.68, abs=0.12)


@pytest.mark.parametrize("kind", KINDS)
def test_both_methods_agree_within_their_errors(kind):
    options = {"n_transients": 20, "snr_range": (6.0, 40.0), "negative_fraction": 0.3}
    fluxes, scores = [], []
    for seed in (201, 202):
        (pair, zogy), (_, kernel) = (
            subtracted(seed, method, **options, **KINDS[kind]) for method in METHODS
        )
        for t in pair.transients:
            at = round(t.y), round(t.x)
            fluxes.append((zogy.flux[at] - kernel.flux[at]) / zogy.flux_err[at])
            scores.append(zogy.score[at] - kernel.score[at])
        good = ((zogy.mask | kernel.mask) & UNUSABLE) == 0
        both = np.corrcoef(zogy.score[good], kernel.score[good])[0, 1]
        assert both > 0.97
        assert kernel.std_score == pytest.approx(zogy.std_score, abs=0.03)
    assert np.sqrt(np.mean(np.square(fluxes))) < 0.4
    assert np.sqrt(np.mean(np.square(scores))) < 0.6
