"""The search for peaks: one pass over the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image


@compiled
def _tops(score: Image, around: NDArray[np.bool_], i: int, j: int) -> bool:
    """Whether no pixel of its sign in the disc is higher, or as high and earlier."""
    ny, nx = score.shape
    r = around.shape[0] // 2
    sign = np.float32(1.0) if score[i, j] > 0 else np.float32(-1.0)
    height = score[i, j] * sign
    for y in range(max(i - r, 0), min(i + r, ny - 1) + 1):
        for x in range(max(j - r, 0), min(j + r, nx - 1) + 1):
            other = score[y, x] * sign
            earlier = y < i or (y == i and x < j)
            if around[y - i + r, x - j + r] and (other > height or (other == height and earlier)):
                return False
    return True


@compiled
def highest_pixels(
    score: Image, around: NDArray[np.bool_], lowest: float, first: int, last: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find pixels that top all others of their sign within a disc.

    Where pixels are equally high, the first in the image counts.

    Parameters
    ----------
    score : (ny, nx), sigma
        S_corr.
    around : (2 r + 1, 2 r + 1)
        The disc.
    lowest : sigma
        Pixels below it in size are passed over.
    first, last
        The rows to work on, `last` not included.

    Returns
    -------
    rows, columns : (n,)
        In the order of the image.
    """
    nx = score.shape[1]
    low = np.float32(lowest)
    rows = np.empty(64, dtype=np.intp)
    columns = np.empty(64, dtype=np.intp)
    found = 0
    for i in range(first, last):
        for j in range(nx):
            if not abs(score[i, j]) >= low:
                continue
            if not _tops(score, around, i, j):
                continue
            if found == len(rows):
                more_rows = np.empty(2 * found, dtype=np.intp)
                more_columns = np.empty(2 * found, dtype=np.intp)
                more_rows[:found] = rows
                more_columns[:found] = columns
                rows, columns = more_rows, more_columns
            rows[found] = i
            columns[found] = j
            found += 1
    return rows[:found].copy(), columns[:found].copy()
