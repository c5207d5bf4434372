"""The passes over the pixels in `measuring`: sky subtraction and variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask


@compiled
def subtract_sky(
    data: Image,
    mask: Mask,
    level: Image,
    rms: Image,
    flat: Image,
    no_data: int,
    lowest: float,
    light: Image,
    variance: Image,
    first: int,
    last: int,
) -> None:
    """Write light and variance of rows ``first..last - 1``; 0 under `no_data`.

    Parameters
    ----------
    data : (ny, nx), electrons
        Calibrated, sky included.
    mask : (ny, nx)
        Bits of the pixels.
    level, rms : (ny, nx), electrons
        Level and noise of the sky.
    flat : (ny, nx) or (0, 0)
        Response; of shape (0, 0) there is none, and values of 0 and below count as 1.
    no_data
        Bit under which light is 0.
    lowest : electrons squared
        Smallest variance that is written.
    light, variance : (ny, nx), electrons; electrons squared
        Written.
    first, last
        Rows to process.
    """
    floor, zero, one = np.float32(lowest), np.float32(0), np.float32(1)
    for y in range(first, last):
        for x in range(data.shape[1]):
            value = zero if mask[y, x] & no_data else data[y, x] - level[y, x]
            light[y, x] = value
            response = flat[y, x] if flat.size else one
            photons = max(value, zero) / (response if response > zero else one)
            variance[y, x] = max(rms[y, x] * rms[y, x] + photons, floor)


@compiled
def without_noise(
    light: Image,
    flat: Image,
    reach: int,
    significant: float,
    variance: Image,
    first: int,
    last: int,
) -> None:
    """Remove from the variance, in place, positive noise that was counted as photons.

    Light counts fully where its mean over ``2 reach + 1`` pixels a side is significant;
    elsewhere only by the amount by which that mean exceeds its own noise.

    Parameters
    ----------
    light : (ny, nx), electrons
        Sky-subtracted.
    flat : (ny, nx) or (0, 0)
        Response; of shape (0, 0) there is none, and values of 0 and below count as 1.
    reach : pixels
        Half side of the square of the mean, minus the middle pixel.
    significant : sigma
        Mean over its noise above which light counts fully.
    variance : (ny, nx), electrons squared
        As `subtract_sky` wrote it; changed in place.
    first, last
        Rows to process.
    """
    ny, nx = light.shape
    zero, one = np.float32(0), np.float32(1)
    column = np.zeros(nx, dtype=np.float64)
    for y in range(first, last):
        low, high = max(y - reach, 0), min(y + reach, ny - 1)
        for x in range(nx):
            column[x] = 0.0
        for row in range(low, high + 1):
            for x in range(nx):
                column[x] += light[row, x]
        total = 0.0
        for x in range(min(reach, nx)):
            total += column[x]
        for x in range(nx):
            if x + reach < nx:
                total += column[x + reach]
            if x - reach - 1 >= 0:
                total -= column[x - reach - 1]
            response = flat[y, x] if flat.size else one
            share = one / (response if response > zero else one)
            sky = variance[y, x] - max(light[y, x], zero) * share
            n = (high - low + 1) * (min(x + reach, nx - 1) - max(x - reach, 0) + 1)
            mean = np.float32(total / n)
            noise = np.sqrt(max(sky, zero) / np.float32(n))
            if mean <= np.float32(significant) * noise:
                variance[y, x] = sky + max(mean - noise, zero) * share
