"""Loops over pixels for the level of the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.frame import Image


@compiled
def double(halved: Image, out: Image, first: int, last: int) -> None:
    """Write an image of every second pixel; the others are the mean of both beside.

    Beyond the last pixel that is given the last one holds.
    """
    my, mx = halved.shape
    nx = out.shape[1]
    half = np.float32(0.5)
    line = np.empty(mx, dtype=np.float32)
    for i in range(first, last):
        above, below = i // 2, min((i + 1) // 2, my - 1)
        for j in range(mx):
            line[j] = half * (halved[above, j] + halved[below, j])
        for j in range(mx):
            out[i, 2 * j] = line[j]
        for j in range(nx // 2):
            out[i, 2 * j + 1] = half * (line[j] + line[min(j + 1, mx - 1)])


@compiled
def flatten(
    new: Image, ref: Image, level: Image, bad: NDArray[np.bool_], limit: float,
    flat: Image, quiet: NDArray[np.bool_], first: int, last: int,
) -> None:  # fmt: skip
    """Write the difference less its level, and where it is good and within a limit."""
    most = np.float32(limit)
    for i in range(first, last):
        for j in range(flat.shape[1]):
            left = new[i, j] - ref[i, j] - level[i, j]
            flat[i, j] = left
            quiet[i, j] = (not bad[i, j]) & (abs(left) < most)
