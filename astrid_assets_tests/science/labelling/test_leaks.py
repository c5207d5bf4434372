"""Leaks: each kind of shared thing is found across sides, and none within a side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.labelling.leaks import FrozenRows, Leaks, find_leaks
from astrid_assets_tests.science.labelling.test_duplicates import point_sources

ARCSEC = 1 / 3600
COUNT = 30


@pytest.fixture
def rows(rng) -> FrozenRows:
    """Thirty rows that share nothing, ten on each side."""
    number = np.arange(COUNT)
    return FrozenRows(
        detection_id=np.array([f"d{n:02d}" for n in number]),
        side=np.array(["train", "val", "test"])[number % 3],
        object_id=np.where(number < 20, np.char.add("o", number.astype(str)), ""),
        sky=np.where(number < 25, "icrs", ""),
        ra_deg=np.where(number < 25, 150 + 0.01 * number, np.nan),
        dec_deg=np.where(number < 25, 2.0, np.nan),
        frame=np.array([f"f{n % 2}" for n in number]),
        x=np.linspace(0, 290, COUNT),
        y=np.zeros(COUNT),
    )


@pytest.fixture
def images(rng) -> np.ndarray:
    return np.stack([point_sources(rng, COUNT, snr=80) for _ in range(3)], axis=1)


def leaks_of(rows: FrozenRows, images: np.ndarray) -> Leaks:
    return find_leaks(
        rows, lambda wanted: images[wanted], radius_arcsec=2.0, radius_px=2.0, limit=0.98
    )


def test_a_clean_split_leaks_nothing(rows, images):
    leaks = leaks_of(rows, images)
    assert leaks.total == 0
    assert str(leaks) == "no row shares anything with another side"


@pytest.mark.parametrize(("first", "second", "n"), [(0, 1, 2), (0, 3, 0)])
def test_a_shared_object_is_found_across_sides_only(rows, images, first, second, n):
    object_id = rows.object_id.copy()
    object_id[first] = object_id[second]
    leaks = leaks_of(replace(rows, object_id=object_id), images)
    assert (leaks.objects, leaks.total) == (n, n)


@pytest.mark.parametrize(("distance", "n"), [(1.9, 2), (2.1, 0)])
def test_a_shared_position_is_found_across_a_border_of_cells(rows, images, distance, n):
    ra_deg, dec_deg = rows.ra_deg.copy(), rows.dec_deg.copy()
    ra_deg[[0, 1]] = 0.95 * ARCSEC, 360 - (distance - 0.95) * ARCSEC
    dec_deg[[0, 1]] = 0.0
    leaks = leaks_of(replace(rows, ra_deg=ra_deg, dec_deg=dec_deg), images)
    assert (leaks.positions, leaks.total) == (n, n)
    apart = np.where(np.arange(COUNT) == 0, "elsewhere", rows.sky)
    assert leaks_of(replace(rows, ra_deg=ra_deg, dec_deg=dec_deg, sky=apart), images).total == 0


def test_a_shared_position_on_a_frame_is_found(rows, images):
    x = rows.x.copy()
    x[2] = x[0] + 1.5
    leaks = leaks_of(replace(rows, x=x), images)
    assert (leaks.frame_positions, leaks.total) == (2, 2)
    assert leaks.examples == ("d00", "d02")


def test_equal_pixels_are_found_by_their_hash_and_their_look(rows, images):
    images[7] = images[0]
    leaks = leaks_of(rows, images)
    assert (leaks.pixels, leaks.near_duplicates) == (2, 2)
    assert "2 by pixels, 2 by near duplicates" in str(leaks)


def test_nearly_equal_pixels_are_found(rows, images, rng):
    images[7] = 1.2 * images[0] + rng.normal(0, 0.03, images[0].shape)
    images[9] = images[0]
    leaks = leaks_of(rows, images)
    assert leaks.pixels == 0
    assert leaks.near_duplicates == 3
