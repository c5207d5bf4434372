"""Moving objects are linked, and chance is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.science.detection.tracklets import link

LIMITS = {"max_rate_arcsec_h": 120.0, "min_rate_arcsec_h": 3.0, "tolerance_arcsec": 0.6}
TIMES = 60000.0 + np.array([0.1, 0.12, 0.15, 0.2])


def moving(rate, angle_deg, ra=30.0, dec=-20.0, times=TIMES):
    """Positions of an object at constant rate, by small-angle spherical offsets."""
    hours = (times - times[0]) * 24
    angle = np.radians(angle_deg)
    north = rate * hours * np.cos(angle) / 3600
    east = rate * hours * np.sin(angle) / 3600
    return ra + east / np.cos(np.radians(dec)), dec + north


def test_an_asteroid_is_found_with_its_motion():
    ra, dec = moving(40.0, 75.0)
    (tracklet,) = link(TIMES, ra, dec, **LIMITS)
    assert tracklet.members == (0, 1, 2, 3)
    assert tracklet.rate_arcsec_h == pytest.approx(40.0, rel=1e-3)
    assert tracklet.position_angle_deg == pytest.approx(75.0, abs=0.1)
    assert tracklet.rms_arcsec < 0.01


@pytest.mark.slow
@given(
    rate=st.floats(5, 100), angle=st.floats(0, 359.9), ra=st.floats(0, 360), dec=st.floats(-85, 85)
)
def test_wherever_and_however_it_moves(rate, angle, ra, dec):
    ras, decs = moving(rate, angle, ra, dec)
    (tracklet,) = link(TIMES, ras % 360, decs, **LIMITS)
    assert len(tracklet.members) == 4


def test_two_asteroids_among_stars_and_noise(rng):
    first, second = moving(40.0, 75.0), moving(15.0, 200.0, 30.01, -20.01)
    n = 40
    ra = np.r_[first[0], second[0], 30 + rng.uniform(-0.1, 0.1, n)]
    dec = np.r_[first[1], second[1], -20 + rng.uniform(-0.1, 0.1, n)]
    mjd = np.r_[TIMES, TIMES, rng.choice(TIMES, n)]
    order = rng.permutation(len(mjd))
    found = link(mjd[order], ra[order], dec[order], **LIMITS)
    members = [set(order[list(t.members)]) for t in found[:2]]
    assert {0, 1, 2, 3} in members
    assert {4, 5, 6, 7} in members


def test_a_stationary_source_is_no_tracklet():
    assert link(TIMES, np.full(4, 30.0), np.full(4, -20.0), **LIMITS) == []


def test_a_pair_is_no_tracklet():
    ra, dec = moving(40.0, 75.0)
    assert link(TIMES[:2], ra[:2], dec[:2], **LIMITS) == []


def test_a_bent_path_is_no_tracklet():
    ra, dec = moving(40.0, 75.0)
    dec = dec + np.array([0, 5, -5, 5]) / 3600
    assert link(TIMES, ra, dec, **LIMITS) == []


def test_noise_alone_rarely_makes_one(rng):
    total = 0
    for _ in range(20):
        n = 45
        mjd = rng.choice(TIMES[:3], n)
        ra, dec = 30 + rng.uniform(-0.1, 0.1, n), -20 + rng.uniform(-0.1, 0.1, n)
        total += len(link(mjd, ra, dec, **LIMITS))
    assert total <= 4
