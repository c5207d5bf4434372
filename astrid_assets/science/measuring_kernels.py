"""The pass over the pixels in `measuring`: sky off, variance on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.compiled import compiled

if TYPE_CHECKING:
    from astrid_assets.science.frame import Image, Mask


@compiled
def subtract_sky(
    data: Image, mask: Mask, level: Image, rms: Image, flat: Image, no_data: int,
    lowest: float, light: Image, variance: Image, first: int, last: int,
) -> None:  # fmt: skip
    """Write light and variance of rows ``first..last - 1``; 0 under `no_data`.

    `flat` of shape (0, 0) is none; responses of 0 and below count as 1.
    """
    floor, zero, one = np.float32(lowest), np.float32(0), np.float32(1)
    for y in range(first, last):
        for x in range(data.shape[1]):
            value = zero if mask[y, x] & no_data else data[y, x] - level[y, x]
            light[y, x] = value
            response = flat[y, x] if flat.size else one
            photons = max(value, zero) / (response if response > zero else one)
            variance[y, x] = max(rms[y, x] * rms[y, x] + photons, floor)
