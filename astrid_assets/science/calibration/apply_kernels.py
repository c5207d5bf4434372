"""The pass over a raw frame that takes the detector out of it, compiled.

The formulas are told in `calibrate` and `variance`. An absent master is an array of
size 0; rows are handled one after another, each step in the cache.
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

    `saturated` and `hot` are the bits to set.
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
    """Copy a row and mark what is full."""
    none = np.uint16(0)
    for x in range(raw.size):
        out[x] = raw[x]
        bits[x] = mask[x] | defects[x] | (bit if raw[x] >= full else none)


@compiled
def _subtract_dark(dark: Image, time: Real, limit: Real, bit: Bit, out: Image, bits: Mask) -> None:
    """Take the dark charge off a row and mark what is hot."""
    none = np.uint16(0)
    for x in range(dark.size):
        charge = dark[x] * time
        out[x] -= charge
        bits[x] |= bit if charge > limit else none


@compiled
def _divide(flat: Image, defects: Mask, out: Image) -> None:
    """Divide a row by the response, but for defects, whose response means nothing."""
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
    """Write the variance of calibrated rows ``first..last - 1``."""
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
