"""Masks grow by discs, each bit on its own, as scipy grows them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from astrid_assets.science.differencing.mask_growth import WIDE_GROWTH, grow_mask
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit


def by_scipy(mask, radius_px):
    grown = mask.copy()
    for bit in MaskBit:
        if bit & UNUSABLE:
            radius = radius_px if bit & WIDE_GROWTH else radius_px / 2
            r = max(1, int(np.ceil(radius)))
            dy, dx = np.mgrid[-r : r + 1, -r : r + 1]
            disc = np.hypot(dx, dy) <= max(radius, 1)
            there = binary_dilation((mask & bit) != 0, structure=disc)
            grown[there] |= np.uint16(bit)
    return grown


@pytest.mark.parametrize("radius_px", [0, 0.7, 1.0, 1.3, 2.0, 3.2, 5.0, 8.9])
def test_every_unusable_bit_grows_by_its_disc(radius_px, rng):
    mask = np.zeros((90, 70), np.uint16)
    for bit in MaskBit:
        rows, columns = rng.integers(0, 90, 6), rng.integers(0, 70, 6)
        mask[rows, columns] |= np.uint16(bit)
    mask[40:52, 30:33] |= np.uint16(MaskBit.SATURATED)
    mask[0, :20] |= np.uint16(MaskBit.TRAIL)
    before = mask.copy()
    grown = grow_mask(mask, radius_px)
    np.testing.assert_array_equal(grown, by_scipy(mask, radius_px))
    np.testing.assert_array_equal(mask, before)


def test_an_empty_mask_stays_empty():
    assert not grow_mask(np.zeros((20, 30), np.uint16), 4.0).any()
