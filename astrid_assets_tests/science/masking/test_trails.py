"""Trails: found where one was drawn, and nowhere else."""

from __future__ import annotations

import os

import numpy as np
import pytest

from astrid_assets.science.arrays.components import grow
from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.masking.trails import find_trails, trail_mask
from astrid_assets.science.sky.background import measure_background
from astrid_assets_tests.science.real_images import first_image
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_trail_in_a_plain_field(rng):
    assert trails_of(star_field(rng, 100, SHAPE).image) == []


@pytest.mark.slow
def test_no_trail_in_a_crowded_field(rng):
    n, small = 2000, (224, 224)
    x, y = rng.uniform(0, 224, n), rng.uniform(0, 224, n)
    light = paint(small, x, y, 300 * (1 + rng.pareto(0.9, n)), 3.5)
    assert trails_of(noisy(rng, np.minimum(light, 30_000))) == []


def test_a_bright_column_is_no_trail(rng):
    image = star_field(rng, 60, SHAPE).image
    image[:, 150] += 60
    assert trails_of(image) == []


def test_a_trail_of_one_sigma_is_covered_and_leaves_nothing(rng):
    noise = np.sqrt(325)
    light, across = line(35, 260, noise, 1.4)
    trails = trails_of(noisy(rng, light))
    assert len(trails) == 1
    covered = trail_mask(trails, SHAPE)
    assert covered[across < 1.4].mean() > 0.98
    # Averaged along the line, by distance from it, outside the mask.
    for distance in range(30):
        ring = (across >= distance) & (across < distance + 1) & ~covered
        if np.count_nonzero(ring) > 50:
            assert light[ring].mean() < 0.5 * noise


@pytest.mark.slow
def test_a_wide_bright_trail_is_one_trail(rng):
    light, across = line(70, 200, 3000.0, 10.0)
    trails = trails_of(noisy(rng, light))
    covered = trail_mask(trails, SHAPE)
    assert len(trails) <= 2
    assert covered[across < 15].mean() > 0.98


@pytest.mark.slow
def test_a_streak_with_both_ends_inside_keeps_its_length(rng):
    light, across = line(50, 270, 60.0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    along = -x * np.sin(np.radians(50)) + y * np.cos(np.radians(50))
    middle = float(np.median(along[across < 1]))
    inside = np.abs(along - middle) < 70
    trails = trails_of(noisy(rng, light * inside) + star_field(rng, 40, SHAPE).image)
    assert len(trails) == 1
    covered = trail_mask(trails, SHAPE)
    assert covered[(across < 1.5) & inside].mean() > 0.95
    assert covered.sum() < 200 * 2 * trails[0].half_width_px


@pytest.mark.slow
def test_several_trails_are_as_many(rng):
    lines = [line(20, 150, 60.0), line(100, 170, 40.0), line(140, -60, 80.0)]
    image = noisy(rng, np.sum([light for light, _ in lines], axis=0))
    trails = trails_of(image)
    assert len(trails) == 3
    covered = trail_mask(trails, SHAPE)
    for _, across in lines:
        assert covered[across < 1.5].mean() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("angle_deg", [45, 10])
def test_spikes_and_bleeding_of_a_star_are_no_trail(rng, angle_deg):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = paint(SHAPE, np.array([190.0]), np.array([200.0]), np.array([8e6]), 3.0)
    for turn in (0, 90):
        a = np.radians(angle_deg + turn)
        across = (x - 190) * np.cos(a) + (y - 200) * np.sin(a)
        along = np.abs(-(x - 190) * np.sin(a) + (y - 200) * np.cos(a))
        light += 3e4 * np.exp(-0.5 * (across / 1.3) ** 2) / (1 + along) ** 1.2
    image = noisy(rng, light)
    image[120:290, 189:192] = 60_000
    full = grow(image >= 50_000, 2)
    sky = measure_background(image, full)
    assert find_trails(image - sky.level, sky.rms, full) == []


@pytest.mark.slow
def test_threads_do_not_change_the_trails(rng):
    image = noisy(rng, line(35, 260, 30.0)[0])
    found = []
    for number in (1, 3):
        set_threads(number)
        found.append(trails_of(image))
    set_threads(len(os.sched_getaffinity(0)))
    assert found[0] == found[1]


@pytest.mark.data
def test_real_trails_are_found_and_their_absence_too(shared_data):
    folder = shared_data / "satellite_trails"
    for name, expected in (
        ("vatt_trail_float64.fits", True),
        ("hsc_trail.fits", True),
        ("apogee_long_streak.fits", True),
        ("sdss_no_trail.fits", False),
        ("ldt_lmi_no_trail.fits", False),
    ):
        image, _ = first_image(folder / name)
        found = trails_of(np.asarray(image, dtype=np.float32))
        assert bool(found) == expected, name
        if name.startswith("vatt"):
            # The second one crosses a corner: 68 pixels long.
            assert len(found) == 2
            corner = -1 / np.tan(found[1].angle_rad)
            assert corner == pytest.approx(-1.22, abs=0.06)
            slope = -1 / np.tan(found[0].angle_rad)
            assert slope == pytest.approx(0.586, abs=0.02)
