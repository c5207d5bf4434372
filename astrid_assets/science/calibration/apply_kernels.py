"""The compiled pass over a raw frame that removes the detector's signature.

The formulas are in `calibrate` and `variance`. An absent master is an array of
size 0. Rows are processed one after another, so that each step works in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask

    Real = float | np.float32
    Bit = int | np.uint16


@compiled
def apply_masters(
    raw: Image,
    mask: Mask,
    bias: Image,
    dark: Image,
    flat: Image,
    defects: Mask,
    exposure_s: float,
    saturation_e: float,
    hot_e: float,
    saturated: int,
    hot: int,
    data: Image,
    out_mask: Mask,
    first: int,
    last: int,
) -> None:
    """Write calibrated rows ``first..last - 1`` and their mask.

    Parameters
    ----------
    raw : (ny, nx), electrons
        The frame as read.
    mask : (ny, nx)
        Its bits before calibration.
    bias, dark, flat : (ny, nx), electrons; electrons per second; median 1
        Masters; size 0 where there is none.
    defects : (ny, nx)
        Bits of defective pixels, which are not divided by the flat.
    exposure_s : seconds
        Exposure time of the frame.
    saturation_e : electrons
        Level of `raw` from which a pixel is marked as saturated.
    hot_e : electrons
        Dark charge above which a pixel is marked as hot.
    saturated, hot
        The bits to set.
    data : (ny, nx), electrons
        Written: the calibrated frame.
    out_mask : (ny, nx)
        Written: the bits after calibration.
    first, last
        Rows to process.
    """
    time, full = np.float32(exposure_s), np.float32(saturation_e)
    limit = np.float32(hot_e)
    for y in range(first, last):
        out, bits = data[y], out_mask[y]
        _mark_full(raw[y], mask[y], defects[y], full, np.uint16(saturated), out, bits)
        if bias.size:
            for x in range(out.size):
                out[x] -= bias[y, x]
        if dark.size:
            _subtract_dark(dark[y], time, limit, np.uint16(hot), out, bits)
        if flat.size:
            _divide(flat[y], defects[y], out)


@compiled
def _mark_full(
    raw: Image, mask: Mask, defects: Mask, full: Real, bit: Bit, out: Image, bits: Mask
) -> None:
    """Copy a row and mark its saturated pixels."""
    none = np.uint16(0)
    for x in range(raw.size):
        out[x] = raw[x]
        bits[x] = mask[x] | defects[x] | (bit if raw[x] >= full else none)


@compiled
def _subtract_dark(dark: Image, time: Real, limit: Real, bit: Bit, out: Image, bits: Mask) -> None:
    """Subtract the dark charge from a row and mark hot pixels."""
    none = np.uint16(0)
    for x in range(dark.size):
        charge = dark[x] * time
        out[x] -= charge
        bits[x] |= bit if charge > limit else none


@compiled
def _divide(flat: Image, defects: Mask, out: Image) -> None:
    """Divide a row by the flat, except for defects, whose response is meaningless."""
    one = np.float32(1)
    for x in range(flat.size):
        out[x] /= one if defects[x] else flat[x]


@compiled
def variance_of(
    light: Image,
    dark: Image,
    flat: Image,
    exposure_s: float,
    floor_e2: float,
    flat_noise2: float,
    out: Image,
    first: int,
    last: int,
) -> None:
    """Write the variance of calibrated rows ``first..last - 1``.

    Parameters
    ----------
    light : (ny, nx), electrons
        Calibrated signal with its sky.
    dark, flat : (ny, nx), electrons per second; median 1
        Masters; size 0 where there is none. Responses of 0 and below count as 1.
    exposure_s : seconds
        Exposure time of the frame.
    floor_e2 : electrons squared
        Noise that does not depend on the light: read-out, and that of bias and dark.
    flat_noise2
        Variance of a pixel of the flat.
    out : (ny, nx), electrons squared
        Written.
    first, last
        Rows to process.
    """
    columns = light.shape[1]
    time, floor = np.float32(exposure_s), np.float32(floor_e2)
    relative2 = np.float32(flat_noise2)
    zero, one = np.float32(0), np.float32(1)
    for y in range(first, last):
        row = out[y]
        for x in range(columns):
            response = flat[y, x] if flat.size else one
            response = response if response > zero else one
            seen = light[y, x] * response
            collected = max(zero, seen)
            if dark.size:
                current = dark[y, x] * time
                collected += max(zero, current)
            shape2 = seen * seen * relative2 / (response * response)
            row[x] = (collected + floor + shape2) / (response * response)
