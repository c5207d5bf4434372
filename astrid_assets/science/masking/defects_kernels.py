"""Kernels over the few pixels that show no sky: far below it, or saturated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled

Bool = NDArray[np.bool_]
Image = NDArray[np.float32]
Index = NDArray[np.intp]
Mask = NDArray[np.uint16]

LEAST_IN_RING = 8
"""Fewest pixels of a ring whose median is used."""


@compiled
def mark_missing(data: Image, out: Image, mask: Mask, bit: int, first: int, last: int) -> None:
    """Copy with 0 where a value is not finite or the bit is set; set the bit there.

    Parameters
    ----------
    data : (ny, nx), electrons
        May contain NaN and infinities.
    out : (ny, nx), electrons
        Written.
    mask : (ny, nx)
        Changed in place.
    bit
        Marks missing pixels.
    first, last
        Rows to process.
    """
    for y in range(first, last):
        for x in range(data.shape[1]):
            gone = (not np.isfinite(data[y, x])) | ((mask[y, x] & bit) != 0)
            out[y, x] = np.float32(0) if gone else data[y, x]
            mask[y, x] |= np.uint16(bit) if gone else np.uint16(0)


@compiled
def mark_full(data: Image, level: float, mask: Mask, bit: int, first: int, last: int) -> None:
    """Set a bit where pixels reach a level.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky included.
    level : electrons
        Pixels at or above it are marked.
    mask : (ny, nx)
        Changed in place.
    bit
        The bit to set.
    first, last
        Rows to process.
    """
    for y in range(first, last):
        for x in range(data.shape[1]):
            full = data[y, x] >= level
            mask[y, x] |= np.uint16(bit) if full else np.uint16(0)


@compiled
def far_below(
    data: Image,
    level: Image,
    rms: Image,
    mask: Mask,
    skip: int,
    sigma: float,
    low: Bool,
    first: int,
    last: int,
) -> None:
    """Find pixels far below the sky, except those with some bits.

    Parameters
    ----------
    data, level, rms : (ny, nx), electrons
        Image, and level and noise of its sky.
    mask : (ny, nx)
        Bits of the pixels.
    skip
        Pixels with any of these bits are not found.
    sigma
        Depth below the sky in units of its noise.
    low : (ny, nx)
        Written.
    first, last
        Rows to process.
    """
    for y in range(first, last):
        for x in range(data.shape[1]):
            deep = data[y, x] - level[y, x] < -sigma * rms[y, x]
            low[y, x] = deep & ((mask[y, x] & skip) == 0)


@compiled
def brightest_near(
    data: Image,
    level: Image,
    rms: Image,
    mask: Mask,
    skip: int,
    rows: Index,
    columns: Index,
    reach: int,
) -> Image:
    """Return the highest signal-to-noise around each of some pixels.

    Parameters
    ----------
    data, level, rms : (ny, nx), electrons
        Image, and level and noise of its sky.
    mask : (ny, nx)
        Bits of the pixels.
    skip
        Pixels with any of these bits do not count.
    rows, columns : (n,)
        The pixels.
    reach : pixels
        Rows and columns to either side.

    Returns
    -------
    snr : (n,)
        At least 0.
    """
    ny, nx = data.shape
    out = np.zeros(len(rows), np.float32)
    for k in range(len(rows)):
        for y in range(max(rows[k] - reach, 0), min(rows[k] + reach + 1, ny)):
            for x in range(max(columns[k] - reach, 0), min(columns[k] + reach + 1, nx)):
                if not mask[y, x] & skip and rms[y, x] > 0:
                    out[k] = max(out[k], (data[y, x] - level[y, x]) / rms[y, x])
    return out


@compiled
def has_bits(mask: Mask, bits: int) -> Bool:
    """Return where any of some bits is set.

    Parameters
    ----------
    mask : (ny, nx)
        Bits of the pixels.
    bits
        One bit, or several combined with ``|``.

    Returns
    -------
    is_set : (ny, nx)
        True where at least one is.
    """
    ny, nx = mask.shape
    out = np.empty((ny, nx), np.bool_)
    for y in range(ny):
        for x in range(nx):
            out[y, x] = (mask[y, x] & bits) != 0
    return out


@compiled
def or_bit(mask: Mask, where: Bool, bit: int) -> Mask:
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
    ny, nx = mask.shape
    out = np.empty((ny, nx), np.uint16)
    for y in range(ny):
        for x in range(nx):
            out[y, x] = mask[y, x] | (np.uint16(bit) if where[y, x] else np.uint16(0))
    return out


@compiled
def overflow_end(
    data: Image, rms: Image, start: tuple[int, int], step: tuple[int, int], most: int, sigma: float
) -> int:
    """Return for how many pixels charge is brighter than both sides of its column.

    Parameters
    ----------
    data, rms : (ny, nx), electrons
        Light, and the noise of the sky.
    start : row, column
        The first pixel after the full ones.
    step : rows, columns
        Direction in which the charge ran, one of them 0.
    most : pixels
        Longest stretch.
    sigma
        Excess over both sides, in units of the noise.

    Returns
    -------
    count : pixels
        Single dark pixels within are counted too.
    """
    ny, nx = data.shape
    (y, x), (dy, dx) = start, step
    dark, count = 0, 0
    for k in range(most):
        v, u = y + k * dy, x + k * dx
        if v < 0 or u < 0 or v >= ny or u >= nx:
            break
        beside, number = 0.0, 0
        for way in (-4, -3, 3, 4):
            p, q = v + way * dx, u + way * dy
            if 0 <= p < ny and 0 <= q < nx:
                beside += data[p, q]
                number += 1
        excess = data[v, u] - beside / max(number, 1)
        if excess > sigma * rms[v, u]:
            count, dark = k + 1, 0
        else:
            dark += 1
            if dark > 1:
                break
    return count


@compiled
def ring_medians(
    data: Image, skip: Bool, centre: tuple[float, float], inner: float, width: float, number: int
) -> Image:
    """Return the median of the good pixels in rings around a position.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky-subtracted.
    skip : (ny, nx)
        True on pixels that do not count.
    centre : y, x
        Centre of the rings, pixels.
    inner : pixels
        Inner radius of the first ring.
    width : pixels
        Width of each ring.
    number
        Number of rings.

    Returns
    -------
    medians : (number,), electrons
        NaN where a ring has fewer than eight good pixels.
    """
    ny, nx = data.shape
    y, x = centre
    reach = int(inner + number * width) + 1
    top, bottom = max(int(y) - reach, 0), min(int(y) + reach + 2, ny)
    left, right = max(int(x) - reach, 0), min(int(x) + reach + 2, nx)
    ring = np.empty((max(bottom - top, 0), max(right - left, 0)), np.int16)
    start = np.zeros(number + 1, np.intp)
    for v in range(top, bottom):
        for u in range(left, right):
            number_in = np.floor((np.sqrt((v - y) ** 2 + (u - x) ** 2) - inner) / width)
            inside = number_in >= 0 and number_in < number and not skip[v, u]
            k = int(number_in) if inside else -1
            ring[v - top, u - left] = k
            if inside:
                start[k + 1] += 1
    start = np.cumsum(start)
    values, filled = np.empty(start[-1], np.float32), start[:-1].copy()
    for v in range(top, bottom):
        for u in range(left, right):
            k = ring[v - top, u - left]
            if k >= 0:
                values[filled[k]] = data[v, u]
                filled[k] += 1
    out = np.full(number, np.nan, np.float32)
    for k in range(number):
        if start[k + 1] - start[k] >= LEAST_IN_RING:
            out[k] = np.median(values[start[k] : start[k + 1]])
    return out


@compiled
def ray(
    data: Image, skip: Bool, y: float, x: float, angle: float, radii: Image, half_width: int
) -> Image:
    """Return the mean light across a ray from a star, by radius.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky-subtracted.
    skip : (ny, nx)
        True on pixels that do not count.
    y, x : pixels
        Position of the star.
    angle : radians
        From x towards y.
    radii : (n,), pixels
        Distances from the star.
    half_width : pixels
        Half the width of the ray, minus the middle pixel.

    Returns
    -------
    light : (n,), electrons
        NaN where half of the pixels or more are bad.
    """
    ny, nx = data.shape
    c, s = np.cos(angle), np.sin(angle)
    out = np.full(len(radii), np.nan, np.float32)
    for k in range(len(radii)):
        total, count = 0.0, 0
        for w in range(-half_width, half_width + 1):
            u = int(np.floor(x + radii[k] * c - w * s + 0.5))
            v = int(np.floor(y + radii[k] * s + w * c + 0.5))
            if 0 <= u < nx and 0 <= v < ny and not skip[v, u]:
                total += data[v, u]
                count += 1
        if count > half_width:
            out[k] = total / count
    return out


@compiled
def weaker_arms(
    data: Image,
    skip: Bool,
    y: float,
    x: float,
    angles: Image,
    radii: Image,
    around: Image,
    half_width: int,
) -> Image:
    """Return, by angle, by how much the weaker of two opposite rays exceeds its surroundings.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky-subtracted.
    skip : (ny, nx)
        True on pixels that do not count.
    y, x : pixels
        Position of the star.
    angles : (k,), radians
        Direction of the first of the two rays.
    radii : (n,), pixels
        Distances from the star.
    around : (n,), electrons
        Typical light at the radii.
    half_width : pixels
        Half the width of a ray, minus the middle pixel.

    Returns
    -------
    excess : (k,), electrons
        NaN where a ray has too few pixels.
    """
    out = np.full(len(angles), np.nan, np.float32)
    for k in range(len(angles)):
        weaker = np.inf
        for turn in (0.0, np.pi):
            light = ray(data, skip, y, x, angles[k] + turn, radii, half_width) - around
            light = light[np.isfinite(light)]
            if len(light) < len(radii) / 2:
                weaker = np.nan
                break
            weaker = min(weaker, np.median(light))
        out[k] = weaker
    return out


@compiled
def paint_disc(mask: Mask, y: float, x: float, radius: float, bit: int) -> None:
    """Set a bit in a disc.

    Parameters
    ----------
    mask : (ny, nx)
        Changed in place.
    y, x : pixels
        Centre.
    radius : pixels
        Radius of the disc.
    bit
        The bit to set.
    """
    ny, nx = mask.shape
    reach = int(radius) + 1
    for v in range(max(int(y) - reach, 0), min(int(y) + reach + 2, ny)):
        for u in range(max(int(x) - reach, 0), min(int(x) + reach + 2, nx)):
            if (v - y) ** 2 + (u - x) ** 2 <= radius * radius:
                mask[v, u] |= np.uint16(bit)


@compiled
def paint_ray(
    mask: Mask, y: float, x: float, angle: float, length: float, half_width: float, bit: int
) -> None:
    """Set a bit along a ray from a star.

    Parameters
    ----------
    mask : (ny, nx)
        Changed in place.
    y, x : pixels
        Position of the star.
    angle : radians
        From x towards y.
    length, half_width : pixels
        Length and half width of the ray.
    bit
        The bit to set.
    """
    ny, nx = mask.shape
    c, s = np.cos(angle), np.sin(angle)
    reach = int(length + half_width) + 1
    for v in range(max(int(y) - reach, 0), min(int(y) + reach + 2, ny)):
        for u in range(max(int(x) - reach, 0), min(int(x) + reach + 2, nx)):
            along = (u - x) * c + (v - y) * s
            across = -(u - x) * s + (v - y) * c
            if 0 <= along <= length and abs(across) <= half_width:
                mask[v, u] |= np.uint16(bit)
