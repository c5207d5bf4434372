"""Pixels without a measurement that a program filled with one exact value.

Resampling and mosaicking programs write 0, -32768 or another number where no exposure
reached. Neighbouring pixels of a detector never share one value over a whole patch,
because of their noise; a saturated patch does, so the highest level is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from astrid_assets.science.arrays.components import patches
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.masking.defects import with_bit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask

BLANK_16_BIT = -32_768.0
"""The lowest 16-bit integer: written for blank pixels, also without the keyword BLANK."""
BLOCK_PX, WHOLE_BLOCK_PX = 4, 8
"""Side of a block of equal pixels that no noise makes; the longer one where pixels are
whole numbers: with a noise of 0.5 ADU, two of three pixels share one value."""
MIN_LINE_PX = 32
"""Length from which on an outermost row or column of one value is a border."""
SAMPLE_STEP = 61


def filled_pixels(data: Image, saturation: float) -> tuple[NDArray[np.bool_], list[float]]:
    """Find patches and borders of one exact value, and all pixels of -32768.

    Parameters
    ----------
    data : (ny, nx), any unit
        As the file holds it, before anything is subtracted; NaN is left out.
    saturation : unit of `data`
        A patch at or above this level, or at the highest value, is saturated.

    Returns
    -------
    where : (ny, nx)
        True where a pixel holds no measurement.
    values : unit of `data`
        The values that were found, ascending; empty if there are none.
    """
    where = data == BLANK_16_BIT
    values = {BLANK_16_BIT} if where.any() else set[float]()
    side = _block_px(data)
    top = min(saturation, float(np.fmax.reduce(data, axis=None)))
    seeds = {value for value in _block_values(data, side) | _border_values(data) if value < top}
    for value in seeds - {BLANK_16_BIT}:
        patch = _patches_of(data, value, side)
        if patch.any():
            where |= patch
            values.add(value)
    return where, sorted(values)


def fill_marked(data: Image, mask: Mask, saturation: float) -> Mask:
    """Return the mask with NO_DATA where `filled_pixels` finds some; the same one if nowhere.

    Parameters
    ----------
    data : (ny, nx), any unit
        As in `filled_pixels`.
    mask : (ny, nx)
        Bits of the pixels.
    saturation : unit of `data`
        As in `filled_pixels`.

    Returns
    -------
    marked : (ny, nx)
        The mask with NO_DATA added.
    """
    filled, values = filled_pixels(data, saturation)
    return with_bit(mask, filled, MaskBit.NO_DATA) if values else mask


def _block_px(data: Image) -> int:
    sample = data.ravel()[::SAMPLE_STEP]
    sample = sample[np.isfinite(sample)]
    is_whole = bool((sample == np.round(sample)).all())
    return WHOLE_BLOCK_PX if is_whole else BLOCK_PX


def _block_values(data: Image, side: int) -> set[float]:
    ny, nx = data.shape[0] // side * side, data.shape[1] // side * side
    first = data[:ny:side, :nx:side]
    # Few blocks pass the first comparisons, and only those are looked at pixel by pixel.
    equal = first == data[side - 1 : ny : side, side - 1 : nx : side]
    equal &= first == data[side - 1 : ny : side, :nx:side]
    equal &= first == data[1:ny:side, 2:nx:side]
    rows, columns = np.nonzero(equal)
    blocks = data[:ny, :nx].reshape(ny // side, side, nx // side, side)[rows, :, columns, :]
    value = first[rows, columns]
    return {float(v) for v in np.unique(value[(blocks == value[:, None, None]).all(axis=(1, 2))])}


def _border_values(data: Image) -> set[float]:
    edges = (data[0], data[-1], data[:, 0], data[:, -1])
    return {
        float(edge[0]) for edge in edges if len(edge) >= MIN_LINE_PX and (edge == edge[0]).all()
    }


def _patches_of(data: Image, value: float, side: int) -> NDArray[np.bool_]:
    """Return the patches and borders of one value that are no chance, as large as a block."""
    same = data == np.float32(value)
    # Beyond the edge the image continues as at the edge: a border of one line is kept.
    framed = np.pad(same, 2, mode="edge")
    solid = ndimage.binary_opening(framed, np.ones((3, 3), np.bool_))[2:-2, 2:-2] & same
    found = patches(solid)
    row, column, number = found.pixels()
    is_large = np.bincount(number, minlength=found.count) >= side**2
    large = np.zeros_like(same)
    large[row[is_large[number]], column[is_large[number]]] = True
    return large
