"""Pixels that hold no usable signal, found from their values alone.

Missing pixels, saturated cores with their bleeding, whole numbers that ran over
(a 16-bit file turns a bright core into a large negative number), the border, and
the halos of saturated stars. Cosmic rays and trails have modules of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from astrid_assets.science.components import grow, label
from astrid_assets.science.mask_bits import MaskBit

if TYPE_CHECKING:
    from astrid_assets.science.background import Background
    from astrid_assets.science.frame import Image, Mask

IMPOSSIBLE_SIGMA = 10.0
"""So far below the sky no noise reaches: a dead or overrun pixel."""

WRAP_NEIGHBOUR_SIGMA = 50.0
"""An impossible pixel beside one this bright is an overrun saturated core."""

SATURATION_GROW_PX = 2
HALO_FWHM = 3.0
"""Beyond the saturated pixels, where the wings outshine the fainter stars."""

EDGE_FWHM = 1.5
MAX_HALO_PX = 60
MIN_HALO_AREA_PX = 2

Bool = NDArray[np.bool_]


def with_bit(mask: Mask, where: Bool, bit: MaskBit) -> Mask:
    """Return the mask with a bit set where asked."""
    return mask | np.where(where, np.uint16(bit), np.uint16(0))


def missing_pixels(data: Image, mask: Mask) -> tuple[Image, Mask]:
    """Return data without NaN and the mask with NO_DATA where they were."""
    missing = ~np.isfinite(data)
    marked = with_bit(mask, missing, MaskBit.NO_DATA)
    gone = (marked & MaskBit.NO_DATA) != 0
    return np.where(gone, 0, data).astype(np.float32), marked


def saturated_pixels(data: Image, mask: Mask, saturation_e: float) -> Mask:
    """Mark pixels at or above saturation; `data` still holds the sky."""
    if not np.isfinite(saturation_e):
        return mask
    full = data >= saturation_e
    return with_bit(mask, full, MaskBit.SATURATED)


def impossible_pixels(data: Image, mask: Mask, sky: Background) -> Mask:
    """Mark pixels far below the sky: overrun cores as SATURATED, others as BAD."""
    good = (mask & MaskBit.NO_DATA) == 0
    snr = np.where(good, (data - sky.level) / sky.rms, 0)
    low = snr < -IMPOSSIBLE_SIGMA
    if not low.any():
        return mask
    labels, n = label(low)
    brightest = ndimage.maximum_filter(snr, size=5)
    peak = np.asarray(ndimage.maximum(brightest, labels, np.arange(n + 1)))
    overrun = low & (peak[labels] > WRAP_NEIGHBOUR_SIGMA)
    marked = with_bit(mask, overrun, MaskBit.SATURATED)
    return with_bit(marked, low & ~overrun, MaskBit.BAD)


def grown_saturation(mask: Mask) -> Mask:
    """Widen SATURATED by the pixels its charge spills into."""
    full = (mask & MaskBit.SATURATED) != 0
    if not full.any():
        return mask
    grown = grow(full, SATURATION_GROW_PX)
    return with_bit(mask, grown, MaskBit.SATURATED)


def halos_and_edges(mask: Mask, fwhm_px: float) -> Mask:
    """Mark HALO around saturated stars and EDGE along the border."""
    marked = mask.copy()
    edge = int(np.ceil(EDGE_FWHM * fwhm_px))
    for border in (np.s_[:edge], np.s_[-edge:], np.s_[:, :edge], np.s_[:, -edge:]):
        marked[border] |= np.uint16(MaskBit.EDGE)
    full = (mask & MaskBit.SATURATED) != 0
    labels, n = label(full)
    ny, nx = mask.shape
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        core = labels[box] == number
        area = int(core.sum())
        if n == 0 or area < MIN_HALO_AREA_PX:
            continue
        radius = min(HALO_FWHM * fwhm_px + np.sqrt(area / np.pi), MAX_HALO_PX)
        # The star is where the saturated patch is widest, not in its bleeding.
        rows = core.sum(axis=1)
        widest = np.flatnonzero(rows == rows.max())
        y = box[0].start + float(widest.mean())
        x = box[1].start + float(np.flatnonzero(core[widest[0]]).mean())
        y0, y1 = max(int(y - radius), 0), min(int(y + radius) + 2, ny)
        x0, x1 = max(int(x - radius), 0), min(int(x + radius) + 2, nx)
        yy, xx = np.mgrid[y0:y1, x0:x1]
        inside = np.hypot(yy - y, xx - x) <= radius
        marked[y0:y1, x0:x1] = with_bit(marked[y0:y1, x0:x1], inside, MaskBit.HALO)
    return marked
