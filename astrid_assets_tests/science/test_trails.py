"""Trails: found where one was drawn, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from astrid_assets.science.background import measure_background
from astrid_assets.science.trails import find_trails, trail_mask
from astrid_assets_tests.science.star_fields import noisy, paint, star_field

SHAPE = (384, 384)


def trails_of(image):
    bad = ~np.isfinite(image)
    sky = measure_background(image, bad)
    return find_trails(np.where(bad, 0, image - sky.level), sky.rms, bad)


def line(angle_deg, distance, height, sigma_px=1.5):
    """Draw a Gaussian line with a normal at an angle."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    a = np.radians(angle_deg)
    across = x * np.cos(a) + y * np.sin(a) - distance
    return height * np.exp(-0.5 * (across / sigma_px) ** 2), np.abs(across)


@pytest.mark.parametrize("angle_deg", [20, 65, 110, 160])
def test_a_faint_trail_is_covered(rng, angle_deg):
    a = np.radians(angle_deg)
    distance = 192 * (np.cos(a) + np.sin(a)) + 20
    light, across = line(angle_deg, distance, 25.0)
    image = star_field(rng, 60, SHAPE).image + rng.poisson(light).astype(np.float32)
    trails = trails_of(image)
    assert len(trails) == 1
    covered = trail_mask(trails, SHAPE)
    assert covered[across < 1.5].mean() > 0.95
    assert covered[across > 20].mean() < 0.01


def test_no_trail_in_a_plain_field(rng):
    assert trails_of(star_field(rng, 100, SHAPE).image) == []


def test_no_trail_in_a_crowded_field(rng):
    n = 6000
    x, y = rng.uniform(0, 384, n), rng.uniform(0, 384, n)
    light = paint(SHAPE, x, y, 300 * (1 + rng.pareto(0.9, n)), 3.5)
    assert trails_of(noisy(rng, np.minimum(light, 30_000))) == []


def test_a_bright_column_is_no_trail(rng):
    image = star_field(rng, 60, SHAPE).image
    image[:, 150] += 60
    assert trails_of(image) == []


@pytest.mark.data
def test_real_trails_are_found_and_their_absence_too(shared_data):
    folder = shared_data / "satellite_trails"
    for name, expected in (
        ("vatt_trail_float64.fits", True), ("apogee_long_streak.fits", True),
        ("sdss_no_trail.fits", False), ("ldt_lmi_no_trail.fits", False),
    ):  # fmt: skip
        with fits.open(folder / name) as hdus:
            image = next(
                h.data for h in hdus if h.data is not None and h.data.ndim == 2
            )
        found = trails_of(np.asarray(image, dtype=np.float32))
        assert bool(found) == expected, name
        if name.startswith("vatt"):
            slope = -1 / np.tan(found[0].angle_rad)
            assert slope == pytest.approx(0.586, abs=0.02)
