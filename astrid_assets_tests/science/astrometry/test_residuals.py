"""Residuals: scatter per axis, outliers named but not counted, and a coarse map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from astrid_assets.science.astrometry.residuals import Residuals

SHAPE = (400, 800)


@pytest.fixture
def residuals(rng) -> Residuals:
    n = 2000
    return Residuals(
        x=rng.uniform(0, 800, n),
        y=rng.uniform(0, 400, n),
        dx=rng.normal(0, 0.04, n),
        dy=rng.normal(0, 0.02, n),
        snr=np.full(n, 80.0),
        is_clean=np.ones(n, bool),
        scale_arcsec=0.4,
    )


def test_scatter_is_told_per_axis_in_pixels_and_milliarcseconds(residuals):
    assert residuals.rms_px == pytest.approx((0.04, 0.02), rel=0.05)
    assert residuals.rms_mas == pytest.approx((16, 8), rel=0.05)


def test_moving_and_faint_and_blended_stars_do_not_count(residuals):
    dx, snr, clean = residuals.dx.copy(), residuals.snr.copy(), residuals.is_clean
    clean = clean.copy()
    dx[:40] += 1.0
    dx[40:400] *= 20
    snr[40:400] = 20
    dx[400:500] -= 3
    clean[400:500] = False
    spoilt = replace(residuals, dx=dx, snr=snr, is_clean=clean)
    assert spoilt.rms_px == pytest.approx((0.04, 0.02), rel=0.05)
    assert not spoilt.used[:500].any()
    assert len(spoilt) == 2000


def test_the_map_shows_where_stars_are_off(residuals):
    there = (residuals.x > 600) & (residuals.y < 100)
    shifted = replace(residuals, dx=residuals.dx + 0.3 * there)
    grid = shifted.grid(SHAPE)
    assert grid.shape == (4, 4, 3)
    assert grid[0, 3, 0] == pytest.approx(0.3, abs=0.02)
    rest = grid[..., 0].copy()
    rest[0, 3] = 0
    assert np.abs(rest).max() < 0.02
    assert grid[..., 2].sum() == 2000


def test_empty_cells_are_unknown(residuals):
    corner = residuals.x < 150
    kept: dict[str, Any] = {
        name: value[corner] if isinstance(value, np.ndarray) else value
        for name, value in vars(residuals).items()
        if name != "used"
    }
    few = Residuals(**kept)
    grid = few.grid(SHAPE)
    assert np.isnan(grid[:, 1:, :2]).all()
    assert (grid[:, 1:, 2] == 0).all()
    assert np.isfinite(grid[:, 0]).all()
