"""Masks grown over what unusable pixels spoil around them.

Which pixels are unusable is decided in `mask_bits` and in the `masking` folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.differencing import noise_kernels
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Mask

WIDE_GROWTH = MaskBit.SATURATED | MaskBit.BLEEDING | MaskBit.TRAIL | MaskBit.NO_DATA


def grow_mask(mask: Mask, radius_px: float) -> Mask:
    """Spread unusable bits over what they spoil; the other bits stay as they are.

    Parameters
    ----------
    mask : (ny, nx)
        Bits of `MaskBit`.
    radius_px : pixels
        For saturated, bleeding, trailed and empty pixels; the other unusable ones grow by
        half of it.

    Returns
    -------
    grown : (ny, nx)
        A new mask.
    """
    grown = np.array(mask, order="C")
    present = int(np.bitwise_or.reduce(mask, axis=None)) & UNUSABLE
    for bit in MaskBit:
        if bit & present:
            radius = radius_px if bit & WIDE_GROWTH else radius_px / 2
            noise_kernels.spread_bit(mask, np.uint16(bit), disc_reach(radius), grown)
    return grown


def disc_reach(radius_px: float) -> NDArray[np.int64]:
    """Return the half width of each row of a disc of at least one pixel.

    Parameters
    ----------
    radius_px : pixels
        Radius of the disc.

    Returns
    -------
    reach : (2 r + 1,), pixels
        From the top row to the bottom one.
    """
    radius = max(radius_px, 1.0)
    rows = np.arange(-int(radius), int(radius) + 1)
    return np.sqrt(radius**2 - rows**2).astype(np.int64)
