"""Kernels of the background: halving a frame, and masks back at full size."""

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
    """Mark pixels that must not count or are not finite."""
    for y in range(first, last):
        for x in range(data.shape[1]):
            # The difference of NaN, or of infinity, with itself is NaN.
            out[y, x] = bad[y, x] | (data[y, x] - data[y, x] != 0)


@compiled
def halve(
    data: Image,
    bad: NDArray[np.bool_],
    small: Image,
    small_bad: NDArray[np.bool_],
    first: int,
    last: int,
) -> None:
    """Average the good ones of each four pixels; bad where there is none."""
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
    """Height over the sky in units of its noise, cut at both ends; 0 where bad."""
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
    """Add a mask of half the size to one of full size."""
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
    """Count the meshes that are good in at least half of their pixels."""
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
