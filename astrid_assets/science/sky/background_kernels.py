"""Kernels of the background: a frame at half size, and masks back at full size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image


@compiled
def unusable(
    data: Image, bad: NDArray[np.bool_], out: NDArray[np.bool_], first: int, last: int
) -> None:
    """Mark pixels that must not count or are not finite.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky included.
    bad : (ny, nx)
        True where a pixel must not count.
    out : (ny, nx)
        Written.
    first, last
        Rows to process.
    """
    for y in range(first, last):
        for x in range(data.shape[1]):
            # The difference of NaN, or of infinity, with itself is NaN.
            out[y, x] = bad[y, x] | (data[y, x] - data[y, x] != 0)


@compiled
def halve_image(
    data: Image,
    bad: NDArray[np.bool_],
    small: Image,
    small_bad: NDArray[np.bool_],
    first: int,
    last: int,
) -> None:
    """Average the good pixels of each 2 x 2 block; bad where there is none.

    Parameters
    ----------
    data : (ny, nx), electrons
        Full size.
    bad : (ny, nx)
        True where a pixel must not count.
    small, small_bad : ((ny + 1) // 2, (nx + 1) // 2)
        Written: the means, 0 where bad, and where that is.
    first, last
        Rows of `small` to process.
    """
    ny, nx = data.shape
    for y in range(first, last):
        for x in range(small.shape[1]):
            total, count = np.float32(0), 0
            for row in range(2 * y, min(2 * y + 2, ny)):
                for column in range(2 * x, min(2 * x + 2, nx)):
                    if not bad[row, column]:
                        total += data[row, column]
                        count += 1
            small_bad[y, x] = count == 0
            small[y, x] = total / np.float32(count) if count else np.float32(0)


@compiled
def significance(
    small: Image,
    level: Image,
    rms: Image,
    bad: NDArray[np.bool_],
    low: float,
    high: float,
    least: float,
    out: Image,
    first: int,
    last: int,
) -> None:
    """Write the height above the sky in units of its noise, clipped; 0 where bad.

    Parameters
    ----------
    small, level, rms : (ny, nx), electrons
        Image, its sky and the noise of that.
    bad : (ny, nx)
        True where 0 is written.
    low, high : sigma
        Where the height is clipped.
    least : electrons
        Smallest noise to divide by.
    out : (ny, nx), sigma
        Written.
    first, last
        Rows to process.
    """
    for y in range(first, last):
        for x in range(small.shape[1]):
            noise = max(rms[y, x], np.float32(least))
            snr = (small[y, x] - level[y, x]) / noise
            cut = min(max(snr, np.float32(low)), np.float32(high))
            out[y, x] = np.float32(0) if bad[y, x] else cut


@compiled
def join_doubled(
    bad: NDArray[np.bool_], small: NDArray[np.bool_], out: NDArray[np.bool_], first: int, last: int
) -> None:
    """Combine a mask of half the size with one of full size.

    Parameters
    ----------
    bad : (ny, nx)
        Full size.
    small : ((ny + 1) // 2, (nx + 1) // 2)
        Half size; each pixel covers four of `bad`.
    out : (ny, nx)
        Written: True where either is.
    first, last
        Rows of `bad` to process.
    """
    for y in range(first, last):
        for x in range(bad.shape[1]):
            out[y, x] = bad[y, x] | small[y // 2, x // 2]


@compiled
def fill_meshes(
    data: Image,
    bad: NDArray[np.bool_],
    mesh: int,
    least: float,
    filled: Image,
    still_bad: NDArray[np.bool_],
) -> None:
    """Repeat the good pixels of each mesh in its bad ones.

    The values of a mesh keep their distribution. A mesh stays as it was where less
    than the share `least` of it is good.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky included.
    bad : (ny, nx)
        True where a pixel must not count.
    mesh : pixels
        Side of a mesh.
    least
        Smallest share of good pixels, 0 to 1.
    filled, still_bad : (ny, nx)
        Written: the data with repeats, and the pixels that were not filled.
    """
    ny, nx = data.shape
    values = np.empty(mesh * mesh, dtype=np.float32)
    for bottom in range(0, ny, mesh):
        top = min(bottom + mesh, ny)
        for left in range(0, nx, mesh):
            right = min(left + mesh, nx)
            n = 0
            for y in range(bottom, top):
                for x in range(left, right):
                    filled[y, x] = data[y, x]
                    still_bad[y, x] = bad[y, x]
                    if not bad[y, x]:
                        values[n] = data[y, x]
                        n += 1
            if n == 0 or n < least * (top - bottom) * (right - left):
                continue
            k = 0
            for y in range(bottom, top):
                for x in range(left, right):
                    if bad[y, x]:
                        filled[y, x] = values[k % n]
                        still_bad[y, x] = False
                        k += 1


@compiled
def count_open(bad: NDArray[np.bool_], mesh: int) -> int:
    """Count the meshes that are good in at least half of their pixels.

    Parameters
    ----------
    bad : (ny, nx)
        True where a pixel must not count.
    mesh : pixels
        Side of a mesh.

    Returns
    -------
    number
        Meshes at the border count with the pixels they have.
    """
    ny, nx = bad.shape
    number = 0
    for bottom in range(0, ny, mesh):
        top = min(bottom + mesh, ny)
        for left in range(0, nx, mesh):
            right = min(left + mesh, nx)
            n = 0
            for y in range(bottom, top):
                for x in range(left, right):
                    n += not bad[y, x]
            number += 2 * n >= (top - bottom) * (right - left)
    return number
