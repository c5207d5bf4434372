"""Cutouts: north up by the WCS, one scale, zero in the middle, no data coloured."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.wcs import WCS
from PIL import Image as Pillow

from astrid_assets.pictures.cutout_png import (
    NO_DATA_COLOUR,
    STRETCHES,
    shared_level,
    signed_png,
    sky_png,
)
from astrid_assets.pictures.orientation import (
    Orientation,
    as_seen,
    as_stored,
    orientation_of,
)

SIDE = 63
CENTRE = SIDE // 2


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(png)).convert("RGB")).astype(int)


def sky(angle_deg: float, *, mirrored: bool) -> WCS:
    """Return a WCS rotated by an angle, east left of north unless mirrored."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 20.0]
    wcs.wcs.crpix = [CENTRE + 1, CENTRE + 1]
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    east = 1.0 if mirrored else -1.0
    wcs.wcs.cd = np.diag([east, 1.0]) @ np.array([[c, -s], [s, c]]) / 3600
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0, 10, 44, 46, 90, 135.5, 180, 225, 271, 350])
def test_north_is_up_and_east_is_left(angle, mirrored):
    wcs = sky(angle, mirrored=mirrored)
    found = orientation_of(wcs.pixel_scale_matrix)
    assert abs(found.north_deg) <= 45
    # A star 20 arcsec to the north and one to the east, placed by astropy.
    step = 20 / 3600
    east = (150 + step / np.cos(np.radians(20)), 20, 90)
    for ra, dec, turn in ((150, 20 + step, 0), east):
        x, y = wcs.all_world2pix([[ra, dec]], 0)[0]
        image = np.zeros((SIDE, SIDE), np.float32)
        image[round(y), round(x)] = 1
        row, column = np.argwhere(as_seen(image, found))[0]
        seen = np.degrees(np.arctan2(CENTRE - column, CENTRE - row))
        expected = found.north_deg + turn
        assert (seen - expected + 180) % 360 - 180 == pytest.approx(0, abs=3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_what_is_drawn_comes_back_to_its_pixels(rng, turns, mirrored):
    image = rng.normal(size=(SIDE, SIDE))
    turned = Orientation(mirrored, turns, 0.0)
    np.testing.assert_array_equal(as_stored(as_seen(image, turned), turned), image)
    np.testing.assert_array_equal(as_stored(as_seen(image, None), None), image)


def test_without_a_wcs_y_points_up():
    image = np.zeros((3, 3), np.float32)
    image[2, 0] = 1
    assert as_seen(image, None)[0, 0] == 1


def test_equal_fluxes_look_equal_in_science_and_reference(rng):
    science, reference = rng.normal(size=(2, SIDE, SIDE)).astype(np.float32)
    science[30, 30] = reference[10, 10] = 40
    level = shared_level(science, reference)
    grey = [pixels(sky_png(x, level, "normal", None)) for x in (science, reference)]
    assert grey[0][SIDE - 1 - 30, 30, 0] == grey[1][SIDE - 1 - 10, 10, 0] > 200


def test_zero_is_mid_grey_and_signs_mirror_about_it():
    image = np.full((3, 3), 1e-6, np.float32)
    image[0], image[2] = -3, 3
    column = pixels(signed_png(image, "normal", None))[:, 0, 0]
    limit = STRETCHES["normal"][1]
    np.testing.assert_allclose(column, 127 + np.array([3, 0, -3]) / limit * 127, atol=1)


def test_what_holds_no_data_has_its_own_colour(rng):
    image = rng.normal(size=(9, 9)).astype(np.float32)
    image[4, 4], image[0, 0] = np.nan, 0
    for png in (signed_png(image, "normal", None), sky_png(image, 10, "faint", None)):
        drawn = pixels(png)
        own = (drawn == NO_DATA_COLOUR).all(axis=2)
        np.testing.assert_array_equal(np.argwhere(own), [[4, 4], [8, 0]])
        others = drawn[~own]
        assert (others == others[:, :1]).all()


def test_an_empty_cutout_is_still_a_picture():
    nothing = np.full((SIDE, SIDE), np.nan, np.float32)
    level = shared_level(nothing, nothing)
    drawn = pixels(sky_png(nothing, level, "normal", None))
    assert (drawn == NO_DATA_COLOUR).all()
