"""Pixels without usable signal, found from their values alone.

Missing pixels, saturated cores with their bleeding, and integer overflow (a 16-bit
file turns a bright core into a large negative number). The surroundings of bright
stars are in `bright_stars`; cosmic rays and trails have modules of their own.

A hot pixel that no master contains looks like a cosmic ray of one pixel in one frame,
and is marked as one; only other frames can distinguish them. A dead one is marked when
it lies far below the sky.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.components import grow, patches
from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.masking import defects_kernels as kernels

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.sky.background import Background

IMPOSSIBLE_SIGMA = 10.0
"""Noise does not reach so far below the sky: the pixel is dead or has overflowed."""

WRAP_NEIGHBOUR_SIGMA = 50.0
"""An impossible pixel beside one this bright is a saturated core that overflowed."""

WRAP_REACH_PX = 2
SATURATION_GROW_PX = 2
MIN_BLEED_PX = 6
"""Full pixels in line beyond a core's own diameter from which they are bleeding."""

BLEED_RATIO = 1.8
"""Length over width of full patches that show the direction in which charge runs."""

OVERFLOW_SIGMA = 3.0
MAX_OVERFLOW_PX = 200
"""How far charge below saturation is followed."""

Bool = NDArray[np.bool_]
Index = NDArray[np.intp]


def with_bit(mask: Mask, where: Bool, bit: MaskBit) -> Mask:
    """Return the mask with a bit added on some pixels.

    Parameters
    ----------
    mask : (ny, nx)
        Bits of the pixels.
    where : (ny, nx)
        True on the pixels that get the bit.
    bit
        The bit to add.

    Returns
    -------
    marked : (ny, nx)
        A new mask.
    """
    return kernels.or_bit(mask, where, int(bit))


def missing_pixels(data: Image, mask: Mask) -> tuple[Image, Mask]:
    """Return data without NaN and the mask with NO_DATA where they were.

    Parameters
    ----------
    data : (ny, nx), electrons
        May contain NaN and infinities.
    mask : (ny, nx)
        Bits of the pixels.

    Returns
    -------
    filled : (ny, nx), electrons
        0 under NO_DATA.
    marked : (ny, nx)
        A copy of the mask with the bit added.
    """
    filled, marked = np.empty(data.shape, np.float32), mask.copy()
    light = np.asarray(data, dtype=np.float32)
    in_bands(
        lambda a, b: kernels.mark_missing(light, filled, marked, int(MaskBit.NO_DATA), a, b),
        len(data),
    )
    return filled, marked


def saturated_pixels(data: Image, mask: Mask, saturation_e: float) -> Mask:
    """Mark pixels at or above saturation; `data` still contains the sky.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky included.
    mask : (ny, nx)
        Bits of the pixels.
    saturation_e : electrons
        Infinite: nothing is marked.

    Returns
    -------
    marked : (ny, nx)
        The mask with SATURATED added.
    """
    if not np.isfinite(saturation_e):
        return mask
    marked = mask.copy()
    in_bands(
        lambda a, b: kernels.mark_full(data, saturation_e, marked, int(MaskBit.SATURATED), a, b),
        len(data),
    )
    return marked


def impossible_pixels(data: Image, mask: Mask, sky: Background) -> Mask:
    """Mark pixels far below the sky: overflowed cores as SATURATED, others as BAD.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky included.
    mask : (ny, nx)
        Bits of the pixels; those with NO_DATA are ignored.
    sky
        Its level and noise.

    Returns
    -------
    marked : (ny, nx)
        The mask with these bits added.
    """
    low = np.zeros(mask.shape, dtype=np.bool_)
    skip = int(MaskBit.NO_DATA)
    in_bands(
        lambda a, b: kernels.far_below(
            data, sky.level, sky.rms, mask, skip, IMPOSSIBLE_SIGMA, low, a, b
        ),
        len(data),
    )
    found = patches(low)
    if not found.count:
        return mask
    rows, columns, number = found.pixels()
    beside = kernels.brightest_near(
        data, sky.level, sky.rms, mask, skip, rows, columns, WRAP_REACH_PX
    )
    brightest = np.zeros(found.count, np.float32)
    np.maximum.at(brightest, number, beside)
    overrun = (brightest > WRAP_NEIGHBOUR_SIGMA)[number]
    marked = mask.copy()
    marked[rows[overrun], columns[overrun]] |= np.uint16(MaskBit.SATURATED)
    marked[rows[~overrun], columns[~overrun]] |= np.uint16(MaskBit.BAD)
    return marked


def grown_saturation(mask: Mask) -> Mask:
    """Widen SATURATED by the pixels that its charge spills into.

    Parameters
    ----------
    mask : (ny, nx)
        With SATURATED where pixels are full.

    Returns
    -------
    marked : (ny, nx)
        With SATURATED two pixels further out.
    """
    full = kernels.has_bits(mask, int(MaskBit.SATURATED))
    return with_bit(mask, grow(full, SATURATION_GROW_PX), MaskBit.SATURATED)


def bleeding_pixels(data: Image, mask: Mask, sky: Background) -> Mask:
    """Mark BLEEDING: charge that ran along columns or rows from saturated stars.

    The direction, columns or rows, is found from the longest saturated patches of the
    frame. A star lies where its patch is widest, and full pixels farther from it than its
    radius have bled. Beyond the full pixels the charge is followed as long as it is
    brighter than both sides.

    Parameters
    ----------
    data : (ny, nx), electrons, sky included
        Light in which the charge is followed.
    mask : (ny, nx)
        With SATURATED where pixels are full, not yet grown.
    sky
        Its noise is what charge is compared with.

    Returns
    -------
    marked : (ny, nx)
        The mask with BLEEDING added.
    """
    found = patches(kernels.has_bits(mask, int(MaskBit.SATURATED)))
    rows, columns, number = found.pixels()
    order = np.argsort(number, kind="stable")
    rows, columns = rows[order], columns[order]
    sizes = np.bincount(number, minlength=found.count)
    ends = np.cumsum(sizes)
    stars = [
        (rows[end - size : end], columns[end - size : end])
        for size, end in zip(sizes, ends, strict=True)
        if size > MIN_BLEED_PX
    ]
    is_upright = _runs_along_columns(stars)
    if is_upright is None:
        return mask
    bled = np.zeros(mask.shape, dtype=bool)
    light, rms, out = data, sky.rms, bled
    if not is_upright:
        stars = [(x, y) for y, x in stars]
        light, rms, out = light.T, rms.T, bled.T
    for along, across in stars:
        y, x = _beyond_the_core(along, across)
        if len(y):
            out[y, x] = True
            _follow((light, rms), out, along, across, y)
    return with_bit(mask, grow(bled), MaskBit.BLEEDING)


def _runs_along_columns(stars: list[tuple[Index, Index]]) -> bool | None:
    """Return whether charge runs along columns, rows (False), or nowhere (None)."""
    excess = [0.0, 0.0]
    for rows, columns in stars:
        height, width = _longest(columns), _longest(rows)
        for way, (long, short) in enumerate(((height, width), (width, height))):
            if long > BLEED_RATIO * short and long - short >= MIN_BLEED_PX:
                excess[way] += long - short
    if not any(excess):
        return None
    return excess[0] >= excess[1]


def _longest(lines: Index) -> int:
    """Return the number of pixels in the fullest line."""
    return int(np.bincount(lines - lines.min()).max())


def _beyond_the_core(along: Index, across: Index) -> tuple[Index, Index]:
    """Return the full pixels of a patch that are farther off than its star is wide."""
    nothing = along[:0], across[:0]
    widths = np.bincount(along - along.min())
    widest = widths.max()
    if _longest(across) - widest < MIN_BLEED_PX:
        return nothing
    centre = along.min() + float(np.flatnonzero(widths >= 0.8 * widest).mean())
    far = np.abs(along - centre) > widest / 2 + 1
    return along[far], across[far]


def _follow(
    images: tuple[Image, Image], out: Bool, along: Index, across: Index, bled: Index
) -> None:
    """Mark the charge beyond the full pixels of its columns."""
    low, high = int(bled.min()), int(bled.max())
    for end, step in ((low, -1), (high, 1)):
        # A star may have bled one way only.
        if end not in (along.min(), along.max()):
            continue
        for column in np.unique(across[along == end]):
            start = end + step, int(column)
            length = kernels.overflow_end(
                *images, start, (step, 0), MAX_OVERFLOW_PX, OVERFLOW_SIGMA
            )
            first, last = sorted((start[0], start[0] + step * length))
            if step < 0:
                first, last = first + 1, last + 1
            out[max(first, 0) : max(last, 0), column] = True
