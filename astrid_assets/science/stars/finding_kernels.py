"""Compiled loops of `finding`: matched filter, local maxima, contrast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled, compiled_sums

Image = NDArray[np.float32]
Bool = NDArray[np.bool_]
Points = NDArray[np.int32]

RING_POINTS = 16


@compiled_sums
def convolve_rows(
    data: Image, sigma: Image, bad: Bool, taps: Image, out: Image, first: int, last: int
) -> None:
    """Convolve S/N along x for rows ``first..last - 1``; bad pixels count as zero.

    Parameters
    ----------
    data, sigma : (ny, nx), electrons
        Sky-subtracted light, and the noise of the sky.
    bad : (ny, nx)
        Pixels that count as zero.
    taps : (m,)
        Symmetric filter, odd `m`.
    out : (ny, nx)
        Written.
    first, last
        Rows to process.
    """
    nx = data.shape[1]
    reach = len(taps) // 2
    padded = np.zeros(nx + 2 * reach, dtype=np.float32)
    for row in range(first, last):
        for column in range(nx):
            value = data[row, column] / sigma[row, column]
            padded[reach + column] = np.float32(0) if bad[row, column] else value
        line = out[row]
        line[:] = np.float32(0)
        for k in range(len(taps)):
            tap = taps[k]
            for column in range(nx):
                line[column] += tap * padded[k + column]


@compiled_sums
def convolve_columns(rows: Image, taps: Image, out: Image, first: int, last: int) -> None:
    """Convolve along y for rows ``first..last - 1``; zero beyond the border.

    Parameters
    ----------
    rows : (ny, nx)
        As `convolve_rows` wrote it.
    taps : (m,)
        Symmetric filter, odd `m`.
    out : (ny, nx)
        Written.
    first, last
        Rows to process.
    """
    ny, nx = rows.shape
    reach = len(taps) // 2
    for row in range(first, last):
        line = out[row]
        line[:] = np.float32(0)
        for k in range(len(taps)):
            other = row + k - reach
            if 0 <= other < ny:
                tap = taps[k]
                for column in range(nx):
                    line[column] += tap * rows[other, column]


@compiled
def local_maxima(
    image: Image, skip: Bool, threshold: float, min_area: int, found: Points, first: int, last: int
) -> int:
    """Write (row, column) of 3 x 3 maxima above a threshold.

    Where neighbours are equal, the first in reading order wins.

    Parameters
    ----------
    image : (ny, nx)
        Signal-to-noise.
    skip : (ny, nx)
        True on pixels that are no maxima.
    threshold
        In the unit of the image.
    min_area : pixels
        How many of the nine pixels must be above the threshold.
    found : (n, 2)
        Written: row and column.
    first, last
        Rows to search.

    Returns
    -------
    count
        Maxima; those beyond the length of `found` are counted but not written.
    """
    ny, nx = image.shape
    count = 0
    for row in range(first, last):
        for column in range(nx):
            value = image[row, column]
            if not value > threshold or skip[row, column]:
                continue
            is_peak = True
            area = 0
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    y, x = row + dy, column + dx
                    if y < 0 or y >= ny or x < 0 or x >= nx:
                        continue
                    other = image[y, x]
                    area += other > threshold
                    earlier = dy < 0 or (dy == 0 and dx < 0)
                    if other > value or (earlier and other == value):
                        is_peak = False
            if is_peak and area >= min_area:
                if count < len(found):
                    found[count, 0] = row
                    found[count, 1] = column
                count += 1
    return count


@compiled
def contrasts(image: Image, found: Points, radius: float, out: Image) -> None:
    """Write how far each peak stands above the median of a ring around it.

    Parameters
    ----------
    image : (ny, nx)
        Signal-to-noise.
    found : (n, 2)
        Row and column of the peaks.
    radius : pixels
        Radius of the ring.
    out : (n,)
        Written, in the unit of the image.
    """
    ny, nx = image.shape
    ring = np.empty(RING_POINTS, dtype=np.float32)
    for index in range(len(found)):
        row, column = found[index, 0], found[index, 1]
        for k in range(RING_POINTS):
            angle = 2 * np.pi * k / RING_POINTS
            y = round(row + radius * np.sin(angle))
            x = round(column + radius * np.cos(angle))
            inside = 0 <= y < ny and 0 <= x < nx
            ring[k] = image[y, x] if inside else np.float32(0)
        out[index] = image[row, column] - np.median(ring)
