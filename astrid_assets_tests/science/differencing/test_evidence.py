"""The single measurements agree with the numbers that stand for them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import norm

from astrid_assets.science.differencing.evidence import SCORE_EDGES, Evidence
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.simulation.pair import simulate_pair

if TYPE_CHECKING:
    from astrid_assets.science.differencing.difference import Difference


@functools.cache
def difference() -> Difference:
    pair = simulate_pair(3, (384, 384), n_transients=0, stars_per_mpx=3000.0)
    return subtract(pair.science, pair.reference, DifferencingSettings())


def evidence_of(made: Difference) -> Evidence:
    assert made.evidence is not None
    return made.evidence


def test_the_stars_are_those_that_were_counted():
    evidence = evidence_of(difference())
    assert len(evidence.x) == difference().n_stars
    scatter = 1.4826 * np.median(np.abs(evidence.ratio - 1))
    assert scatter == pytest.approx(difference().flux_ratio_scatter)
    assert abs(np.median(evidence.ratio) - 1) < 0.02
    assert np.median(np.hypot(evidence.dx_px, evidence.dy_px)) < 0.1


def test_constant_stars_leave_nothing_but_noise():
    evidence = evidence_of(difference())
    bright = evidence.snr > 100
    assert bright.sum() > 5
    assert np.median(np.abs(evidence.residual[bright])) < 0.02


def test_scores_of_blank_sky_are_distributed_as_gaussian_noise_is():
    counts = evidence_of(difference()).score_counts
    assert counts.sum() > 20_000
    # Pixels of one PSF hang together: some ten of them are one independent number.
    expected = counts.sum() * np.diff(norm.cdf(SCORE_EDGES))
    many = expected > 300
    away = (counts - expected)[many] / np.sqrt(10 * expected[many])
    assert np.abs(away).max() < 4
