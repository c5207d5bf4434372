"""The flux ratio over the frame: constant unless the stars show otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.flux_ratio import FluxRatio, fit_ratio
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.simulation.pair import simulate_pair

SHAPE = (400, 600)


def stars(rng, n, truth):
    x, y = rng.uniform(0, SHAPE[1], n), rng.uniform(0, SHAPE[0], n)
    snr = 10 ** rng.uniform(1, 2.5, n)
    return x, y, truth(x, y) * (1 + rng.normal(size=n) / snr), snr


def clouded(x, y):
    u, v = 2 * x / (SHAPE[1] - 1) - 1, 2 * y / (SHAPE[0] - 1) - 1
    return 0.8 * (1 + 0.06 * u - 0.04 * v + 0.05 * u * u - 0.03 * u * v)


CHANGE = np.ptp(clouded(*np.meshgrid(np.arange(600.0), np.arange(400.0)))) / 0.8


@pytest.mark.slow
def test_a_constant_ratio_stays_a_number(rng):
    """In 300 pairs chance makes no slope."""
    for _ in range(300):
        found = fit_ratio(*stars(rng, 80, lambda x, y: 0.8 + 0 * x), SHAPE)
        assert len(found.terms) == 0
        assert found.change == 0
        assert found.level == pytest.approx(0.8, rel=0.01)
        assert np.ndim(found.on_frame()) == 0


def test_a_ratio_that_changes_is_found_where_enough_stars_are(rng):
    places = rng.uniform(0, SHAPE[1], 200), rng.uniform(0, SHAPE[0], 200)
    found = fit_ratio(*stars(rng, 80, clouded), SHAPE)
    assert len(found.terms) == 5
    np.testing.assert_allclose(found.at(*places), clouded(*places), rtol=0.02)
    assert found.change == pytest.approx(CHANGE, abs=0.04)
    few = fit_ratio(*stars(rng, 11, clouded), SHAPE)
    assert len(few.terms) == 0


def test_stars_that_scatter_make_no_slope(rng):
    """Variable stars, or blends: their own scatter is what a slope is held against."""
    made = 0
    for _ in range(100):
        x, y, ratios, snr = stars(rng, 60, lambda x, y: 1 + 0 * x)
        ratios = ratios * np.exp(0.1 * rng.normal(size=60))
        made += len(fit_ratio(x, y, ratios, snr, SHAPE).terms) > 0
    assert made == 0


def test_a_polynomial_that_runs_away_where_no_star_lies_is_refused(rng):
    x, y = rng.uniform(0, 60, 80), rng.uniform(0, 400, 80)
    snr = np.full(80, 100.0)
    found = fit_ratio(x, y, np.exp(-x / 100) * (1 + rng.normal(size=80) / snr), snr, SHAPE)
    lowest, highest = found.extremes()
    assert 0 < lowest <= highest < 4 * lowest


def test_the_frame_is_what_the_places_say():
    ratio = FluxRatio(1.3, np.array([0.1, -0.05, 0.02, 0.03, -0.04]), SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    expected = ratio.at(x.ravel().astype(float), y.ravel().astype(float))
    np.testing.assert_allclose(ratio.on_frame().ravel(), expected, rtol=1e-5)
    assert ratio.change == pytest.approx(np.ptp(expected) / 1.3, rel=0.01)


@pytest.mark.slow
def test_thin_clouds_leave_no_stars_behind():
    pair = simulate_pair(5, SHAPE, stars_per_mpx=8000.0, n_transients=20, snr_range=(15.0, 60.0))
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = clouded(x, y).astype(np.float32)
    science = replace(
        pair.science, data=pair.science.data * light, variance=pair.science.variance * light
    )
    difference = subtract(science, pair.reference, DifferencingSettings())
    assert "flux_ratio_changes" in {f.code for f in difference.flags}
    assert difference.flux_ratio == pytest.approx(0.8 * pair.flux_ratio, rel=0.01)
    assert difference.flux_ratio_change == pytest.approx(CHANGE, abs=0.04)
    assert difference.flux_ratio_scatter < 0.02
    assert difference.psf_error < 0.006
    found = [c for c in detect(difference, science, DetectionSettings()) if c.is_kept]
    near = [any(np.hypot(c.x - t.x, c.y - t.y) < 2 for t in pair.transients) for c in found]
    assert sum(near) >= 19
    assert len(near) - sum(near) <= 1
