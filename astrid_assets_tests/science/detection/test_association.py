"""Association by place on the sky."""

from __future__ import annotations

import numpy as np
from astropy.coordinates import SkyCoord

from astrid_assets.science.detection.association import associate

ARCSEC = 1 / 3600


def test_the_nearest_object_within_the_radius_is_taken():
    index = associate(
        [10.0, 50.0], [20.0, -5.0], [10.0, 10.0], [20 + 1.5 * ARCSEC, 20 - ARCSEC], 2.0
    )
    assert index.tolist() == [1, -1]


def test_it_agrees_with_astropy_on_a_random_sky(rng):
    ra, dec = rng.uniform(0, 360, 300), np.degrees(np.arcsin(rng.uniform(-1, 1, 300)))
    near = dec + rng.uniform(-3, 3, 300) * ARCSEC
    order = rng.permutation(300)
    index = associate(ra, np.clip(near, -90, 90), ra[order], dec[order], 2.0)
    places = SkyCoord(ra, np.clip(near, -90, 90), unit="deg")
    nearest, distance, _ = places.match_to_catalog_sky(SkyCoord(ra[order], dec[order], unit="deg"))
    expected = np.where(np.asarray(distance.to_value("arcsec")) <= 2.0, nearest, -1)
    assert index.tolist() == expected.tolist()


def test_right_ascension_has_no_edge_and_the_pole_no_hole():
    index = associate([359.9999, 0.0], [0.0, 89.9999], [0.0001, 180.0], [0, 89.9999], 1.0)
    assert index.tolist() == [0, 1]


def test_nothing_to_associate_or_nothing_known():
    assert associate([], [], [1.0], [1.0], 1.0).shape == (0,)
    assert associate([1.0], [1.0], [], [], 1.0).tolist() == [-1]
