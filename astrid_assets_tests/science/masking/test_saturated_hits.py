"""Full cosmic rays are told from full stars, however sharp the seeing."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.masking.defects import saturated_pixels
from astrid_assets.science.masking.saturated_hits import mark_saturated_hits
from astrid_assets.science.sky.background import measure_background
from astrid_assets_tests.science.star_fields import paint

SKY_E, FULL_E = 300.0, 60_000.0


def marked(image):
    image = np.minimum(image, FULL_E).astype(np.float32)
    mask = np.zeros(image.shape, np.uint16)
    mask = saturated_pixels(image, mask, FULL_E)
    sky = measure_background(image, (mask != 0))
    return mark_saturated_hits(image, mask, sky), mask


def sky_frame(rng):
    return rng.normal(SKY_E, np.sqrt(SKY_E), (200, 200))


@pytest.mark.parametrize("fwhm", [1.3, 1.6, 2.0, 3.0, 6.0])
@pytest.mark.parametrize("flux", [3e5, 3e6, 3e7])
def test_full_stars_stay_saturated(rng, fwhm, flux):
    x = rng.uniform(20, 180, 12)
    y = rng.uniform(20, 180, 12)
    image = sky_frame(rng) + paint((200, 200), x, y, np.full(12, flux), fwhm)
    mask, before = marked(image)
    assert (mask == before).all()


def test_full_tracks_become_cosmic_rays(rng):
    image = sky_frame(rng)
    image[50, 60] = 1e5
    image[80, 90:97] = 1e5
    for k in range(9):
        image[120 + k, 30 + k] = 1e5
    mask, before = marked(image)
    full = (before & MaskBit.SATURATED) != 0
    assert full.sum() == 1 + 7 + 9
    assert ((mask[full] & MaskBit.COSMIC_RAY) != 0).all()
    assert not (mask & MaskBit.SATURATED).any()


def test_a_bleeding_star_is_no_cosmic_ray(rng):
    light = paint((200, 200), np.array([100.0]), np.array([100.0]), np.array([5e6]), 3)
    image = sky_frame(rng) + light
    image[60:140, 100] = FULL_E
    mask, before = marked(image)
    assert (mask == before).all()


def test_without_full_pixels_nothing_changes(rng):
    mask, before = marked(sky_frame(rng))
    assert mask is before or (mask == before).all()
