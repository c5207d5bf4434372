"""Cosmic rays that filled their pixels: full patches too sharp for any star.

A star's light does not end beside its brightest pixel; a particle's charge does. So
a full patch is a hit when each of its pixels has, along some direction, next to
nothing on both sides. Its bit is COSMIC_RAY then, not SATURATED: there is no star
whose halo would have to be masked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.components import grow, patches
from astrid_assets.science.mask_bits import MaskBit

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.sky.background import Background

Index = NDArray[np.intp]

SHARP = 0.15
"""Share of the full pixel's light beside it. A Gaussian star has exp(-2.77/FWHM²):
0.19 at a FWHM of 1.3 pixels, more when its own peak is cut off."""

DIRECTIONS = ((0, 1, SHARP), (1, 0, SHARP), (1, 1, SHARP**2), (1, -1, SHARP**2))
"""Steps, and the share that is sharp at their distance: 1 or the root of 2."""

REACH_PX = 2
"""Full pixels that may lie between: a track is two pixels wide at most."""

MAX_AREA_PX = 60


def mark_saturated_hits(data: Image, mask: Mask, sky: Background) -> Mask:
    """Return the mask with full cosmic rays as COSMIC_RAY instead of SATURATED.

    Parameters
    ----------
    data : (ny, nx), electrons, sky included
        Light beside the full pixels.
    mask : (ny, nx)
        With SATURATED where pixels are full, not yet grown.
    sky
        Light beside a full pixel is measured above its level.

    Returns
    -------
    marked : (ny, nx)
        The mask itself when there is no such hit.
    """
    full = (mask & np.uint16(MaskBit.SATURATED)) != 0
    found = patches(full)
    if not found.count:
        return mask
    rows, columns, number = found.pixels()
    sharp = np.zeros(len(rows), dtype=bool)
    for dy, dx, share in DIRECTIONS:
        sharp |= _is_dark_beside(data, full, sky, (rows, columns), (dy, dx), share)
    area = np.bincount(number, minlength=found.count)
    is_hit = np.bincount(number, sharp, found.count) == area
    hits = (is_hit & (area <= MAX_AREA_PX))[number]
    if not hits.any():
        return mask
    hit = np.zeros(mask.shape, dtype=bool)
    hit[rows[hits], columns[hits]] = True
    marked = mask.copy()
    marked[hit] &= np.uint16(~int(MaskBit.SATURATED) & 0xFFFF)
    # Its spill in the neighbours can no longer be found: the peak beside it is cut off.
    marked[grow(hit)] |= np.uint16(MaskBit.COSMIC_RAY)
    return marked


def _is_dark_beside(
    data: Image,
    full: NDArray[np.bool_],
    sky: Background,
    where: tuple[Index, Index],
    step: tuple[int, int],
    share: float,
) -> NDArray[np.bool_]:
    """Return for each pixel whether both of its sides along a step are dark."""
    rows, columns = where
    own = data[rows, columns] - sky.level[rows, columns]
    dark = np.ones(len(rows), dtype=bool)
    ny, nx = data.shape
    for way in (1, -1):
        done = np.zeros(len(rows), dtype=bool)
        is_dark = np.zeros(len(rows), dtype=bool)
        for distance in range(1, REACH_PX + 1):
            y = rows + way * distance * step[0]
            x = columns + way * distance * step[1]
            inside = (y >= 0) & (y < ny) & (x >= 0) & (x < nx)
            y, x = np.clip(y, 0, ny - 1), np.clip(x, 0, nx - 1)
            ends = inside & ~full[y, x] & ~done
            light = data[y, x] - sky.level[y, x]
            is_dark |= ends & (light < share * own)
            done |= ends | ~inside
        dark &= is_dark
    return dark
