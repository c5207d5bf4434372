"""Neighbours on the sky: no border separates them, no other sky joins them."""

from __future__ import annotations

import numpy as np

from astrid_assets.science.labelling.positions import near_positions, sky_groups

ARCSEC = 1 / 3600


def test_detections_of_one_place_share_a_key_whatever_cell_they_fall_in(rng):
    # Places 10 arcsec apart, five times the reach of the friends.
    number = np.repeat(np.arange(30), 8)
    ra = 150.1 + (number % 6) * 10 * ARCSEC
    dec = 2.1 + (number // 6) * 10 * ARCSEC
    keys = sky_groups(
        ra + rng.normal(0, 0.2, 240) * ARCSEC, dec + rng.normal(0, 0.2, 240) * ARCSEC, 2
    )
    assert len(np.unique(keys)) == 30
    for start in range(0, 240, 8):
        assert len(set(keys[start : start + 8])) == 1


def test_right_ascension_wraps_around_and_poles_are_no_trouble():
    ra = np.array([359.9999, 0.0001, 10.0, 190.0])
    dec = np.array([0.0, 0.0, 89.9999, 89.9999])
    keys = sky_groups(ra, dec, 1.0)
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_unknown_places_have_no_key():
    keys = sky_groups(np.array([1.0, np.nan]), np.array([1.0, 2.0]), 1.0)
    assert keys[0] != ""
    assert keys[1] == ""
    assert sky_groups(np.array([np.nan]), np.array([np.nan]), 1.0).tolist() == [""]


def test_one_position_on_two_skies_is_two_positions():
    ra, dec = np.full(4, 53.1), np.full(4, -27.8)
    keys = sky_groups(ra, dec, 2.0, np.array(["a", "b", "a", "c"]))
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 3


def test_neighbours_are_all_within_the_radius_and_no_others():
    rows = (["a", "a", "b"], np.array([10.0, 20.0, 10.0]), np.zeros(3))
    near, far = 10 + 1.99 * ARCSEC, 10 + 2.01 * ARCSEC
    others = (["a", "a", "b", "a"], np.array([near, far, 10.0, 10.0]), np.zeros(4))
    found = sorted(zip(*(side.tolist() for side in near_positions(rows, others, 2.0)), strict=True))
    assert found == [(0, 0), (0, 3), (2, 2)]
    assert near_positions(rows, ([], np.empty(0), np.empty(0)), 2.0)[0].tolist() == []
