"""Unusable pixels: missing, saturated, overrun, and what surrounds them."""

from __future__ import annotations

import numpy as np

from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.masking.bright_stars import halos_and_edges
from astrid_assets.science.masking.defects import (
    grown_saturation,
    impossible_pixels,
    missing_pixels,
    saturated_pixels,
)
from astrid_assets.science.sky.background import measure_background
from astrid_assets_tests.science.star_fields import noisy, paint

SHAPE = (256, 256)
CLEAN = np.zeros(SHAPE, dtype=np.uint16)


def test_nan_becomes_zero_and_no_data():
    image = np.ones(SHAPE, dtype=np.float32)
    image[3, 4] = np.nan
    data, mask = missing_pixels(image, CLEAN)
    assert data[3, 4] == 0
    assert mask[3, 4] == MaskBit.NO_DATA
    assert np.count_nonzero(mask) == 1
    assert np.isnan(image[3, 4])  # the argument is left alone


def test_an_overrun_core_is_saturated_and_a_dead_pixel_is_bad(rng):
    light = paint(SHAPE, np.array([128.0]), np.array([128.0]), np.array([2e6]), 4.0)
    image = noisy(rng, light, 0, 7)
    image = np.minimum(image, 60_000)
    # A 16-bit file turns what exceeds it into large negative numbers.
    image = np.where(image > 20_000, image - 65_536, image).astype(np.float32)
    image[40, 40] = -900
    sky = measure_background(image, image < -100)
    mask = impossible_pixels(image, CLEAN, sky)
    assert mask[128, 128] & MaskBit.SATURATED
    assert mask[40, 40] == MaskBit.BAD
    assert np.count_nonzero(mask & MaskBit.BAD) == 1


def test_saturation_grows_and_is_ringed_by_a_halo():
    image = np.zeros(SHAPE, dtype=np.float32)
    image[100:105, 100:105] = 70_000
    mask = grown_saturation(saturated_pixels(image, CLEAN, 65_000))
    assert mask[98, 98] & MaskBit.SATURATED
    assert not mask[95, 95] & MaskBit.SATURATED
    ringed = halos_and_edges(mask, 3.0)
    assert ringed[102, 112] & MaskBit.HALO
    assert not ringed[102, 160] & MaskBit.HALO


def test_the_border_is_marked_as_wide_as_the_stars():
    mask = halos_and_edges(CLEAN, 4.0)
    assert mask[0, 50] & MaskBit.EDGE
    assert mask[50, 5] & MaskBit.EDGE
    assert mask[50, 6] == 0
    assert mask[-6, -6] & MaskBit.EDGE
