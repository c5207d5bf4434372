"""Kernels before interpolation: filling masked pixels, spline coefficients.

Each works on rows (columns, entries of a list) ``first..last - 1`` and can run in
`threads.in_bands`: no result depends on where the bands are cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

POLE = np.float32(np.sqrt(3) - 2)  # of the cubic B-spline's inverse
GAIN = np.float32(6)  # of that inverse, per axis
END_GAIN = np.float32(POLE / (POLE * POLE - 1))
HORIZON = 14  # POLE**14 is below float32's last bit
LANES = 4  # rows filtered side by side, so that none waits for its own last pixel
TILE = 64  # columns filtered together: 4096 rows of them stay in the cache
BLOCK = 8  # side of the blocks that show where no good pixel is near


@compiled
def fill_pixels(
    image: Image,
    bad: NDArray[np.bool_],
    blocked: NDArray[np.bool_],
    where: NDArray[np.int64],
    weights: NDArray[np.float64],
    least: float,
    filled: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """Set listed pixels to the weighted mean of the good pixels around them.

    Parameters
    ----------
    image : (ny, nx)
        In any unit.
    bad : (ny, nx)
        True on pixels that do not count.
    blocked : (blocks along y, blocks along x)
        True for blocks without a good pixel, as `block_map` wrote them.
    where : (n,)
        Flat indices of the pixels to fill.
    weights : (reach + 1,)
        One side of the Gaussian, from its middle.
    least
        Smallest total weight; below it the value is 0.
    filled : (n,)
        Written.
    first, last
        Entries of `where` to process.
    """
    ny, nx = image.shape
    reach = len(weights) - 1
    for entry in range(first, last):
        y, x = where[entry] // nx, where[entry] % nx
        top, bottom = max(y - reach, 0), min(y + reach + 1, ny)
        left, right = max(x - reach, 0), min(x + reach + 1, nx)
        near = False
        for block_y in range(top // BLOCK, (bottom - 1) // BLOCK + 1):
            for block_x in range(left // BLOCK, (right - 1) // BLOCK + 1):
                near |= not blocked[block_y, block_x]
        total, weight = 0.0, 0.0
        if near:
            for row in range(top, bottom):
                for column in range(left, right):
                    if not bad[row, column]:
                        here = weights[abs(row - y)] * weights[abs(column - x)]
                        total += here * image[row, column]
                        weight += here
        filled[entry] = total / weight if weight > least else 0.0


@compiled
def block_map(bad: NDArray[np.bool_], blocked: NDArray[np.bool_], first: int, last: int) -> None:
    """Write which blocks consist of bad pixels only.

    Parameters
    ----------
    bad : (ny, nx)
        True on bad pixels.
    blocked : (blocks along y, blocks along x)
        Written; `BLOCK` pixels a side.
    first, last
        Rows of blocks to process.
    """
    ny, nx = bad.shape
    for block_y in range(first, last):
        for block_x in range(blocked.shape[1]):
            full = True
            for row in range(block_y * BLOCK, min((block_y + 1) * BLOCK, ny)):
                for column in range(block_x * BLOCK, min((block_x + 1) * BLOCK, nx)):
                    full &= bad[row, column]
            blocked[block_y, block_x] = full


@compiled
def spline_filter_rows(data: Image, first: int, last: int) -> None:
    """Turn samples into spline coefficients along x, in place; mirrored ends.

    Parameters
    ----------
    data : (ny, nx)
        Changed in place.
    first, last
        Rows to process.

    References
    ----------
    Unser, Aldroubi & Eden 1993, IEEE Trans. Signal Processing 41, 834.
    """
    nx = data.shape[1]
    for top in range(first, last, LANES):
        bottom = min(top + LANES, last)
        for y in range(top, bottom):
            total, power = data[y, 0], POLE
            for k in range(1, HORIZON):
                index = k % (2 * nx - 2)
                total += power * data[y, min(index, 2 * nx - 2 - index)]
                power *= POLE
            data[y, 0] = total
        for x in range(1, nx):
            for y in range(top, bottom):
                data[y, x] += POLE * data[y, x - 1]
        for y in range(top, bottom):
            end = END_GAIN * (data[y, nx - 1] + POLE * data[y, nx - 2])
            data[y, nx - 1] = GAIN * end
        # c[k] = z (c[k+1] - c+[k]); the gain is applied too.
        for x in range(nx - 2, -1, -1):
            for y in range(top, bottom):
                data[y, x] = POLE * (data[y, x + 1] - GAIN * data[y, x])


@compiled
def spline_filter_columns(data: Image, first: int, last: int) -> None:
    """Turn samples into spline coefficients along y, in place; mirrored ends.

    Parameters
    ----------
    data : (ny, nx)
        Changed in place.
    first, last
        Columns to process.

    References
    ----------
    Unser, Aldroubi & Eden 1993, IEEE Trans. Signal Processing 41, 834.
    """
    ny = data.shape[0]
    for left in range(first, last, TILE):
        right = min(left + TILE, last)
        total, power = data[0, left:right].copy(), POLE
        for k in range(1, HORIZON):
            index = k % (2 * ny - 2)
            line = data[min(index, 2 * ny - 2 - index), left:right]
            for x in range(right - left):
                total[x] += power * line[x]
            power *= POLE
        data[0, left:right] = total
        for y in range(1, ny):
            before, line = data[y - 1, left:right], data[y, left:right]
            for x in range(right - left):
                line[x] += POLE * before[x]
        before, line = data[ny - 2, left:right], data[ny - 1, left:right]
        for x in range(right - left):
            line[x] = GAIN * END_GAIN * (line[x] + POLE * before[x])
        for y in range(ny - 2, -1, -1):
            after, line = data[y + 1, left:right], data[y, left:right]
            for x in range(right - left):
                line[x] = POLE * (after[x] - GAIN * line[x])
