"""Kernels of registration: the reach of masks, and the resampling pass itself.

Each works on rows ``first..last - 1`` and can run in `threads.in_bands`: no row
depends on where the bands are cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.registration.pixel_mapping_kernels import positions, row_of_nodes, smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask

RUN_PX = 12  # shorter runs of neighbours are quicker one by one
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)
HALF, SIXTH, TWO_THIRDS = np.float32(1 / 2), np.float32(1 / 6), np.float32(2 / 3)
UNIT = np.float32(1)
LARGEST = np.float32(1e30)  # beyond it the spline overflows
NO_DATA = np.uint16(MaskBit.NO_DATA)
INTERPOLATED = np.uint16(MaskBit.INTERPOLATED)
SPOILED = np.uint16(UNUSABLE)
NONE = np.uint16(0)


@compiled
def find_unusable(
    image: Image,
    variance: Image,
    mask: Mask,
    bad: NDArray[np.bool_],
    count: NDArray[np.int64],
    first: int,
    last: int,
) -> None:
    """Mark pixels that carry no flux, and count per row.

    Parameters
    ----------
    image, variance, mask : (ny, nx)
        In electrons, electrons squared, bits of `MaskBit`.
    bad : (ny, nx)
        Written.
    count : (ny, 4)
        Written: the marked pixels, those of them without a bit, those without a valid
        variance, and the union of all bits.
    first, last
        Rows to process.
    """
    for y in range(first, last):
        n_bad, n_unmarked, n_unknown, any_bit = 0, 0, 0, NONE
        for x in range(image.shape[1]):
            bits = mask[y, x]
            # Comparisons with NaN are false.
            is_known = (variance[y, x] >= 0) & (variance[y, x] < LARGEST)
            is_number = is_known & (abs(image[y, x]) < LARGEST)
            is_spoiled = (bits & SPOILED) != 0
            bad[y, x] = is_spoiled | (not is_number)
            n_bad += is_spoiled | (not is_number)
            n_unmarked += not (is_number | is_spoiled)
            n_unknown += not is_known
            any_bit |= bits
        count[y, 0], count[y, 1] = n_bad, n_unmarked
        count[y, 2], count[y, 3] = n_unknown, any_bit


@compiled
def spread_bits(mask: Mask, out: Mask, first: int, last: int) -> None:
    """Write, at [y, x], the bits of a value interpolated between this pixel and the next ones.

    All bits of the four pixels around such a position, and INTERPOLATED where one of
    the sixteen under the spline was filled.

    Parameters
    ----------
    mask : (ny, nx)
        Mask of the image.
    out : (ny, nx)
        Written.
    first, last
        Rows to process.
    """
    ny, nx = mask.shape
    near = np.zeros(nx, dtype=np.uint16)
    wide = np.zeros(nx + 3, dtype=np.uint16)
    for y in range(first, last):
        above, below = mask[max(y - 1, 0)], mask[min(y + 1, ny - 1)]
        here, second = mask[y], mask[min(y + 2, ny - 1)]
        for x in range(nx):
            near[x] = here[x] | below[x]
            wide[x + 1] = (near[x] | above[x] | second[x]) & SPOILED
        row = out[y]
        for x in range(nx):
            spoiled = wide[x] | wide[x + 1] | wide[x + 2] | wide[x + 3]
            row[x] = near[x] | (INTERPOLATED if spoiled else NONE)
        for x in range(nx - 1):
            row[x] |= near[x + 1]


@compiled
def nearest_rows(
    bad: NDArray[np.bool_],
    nodes: NDArray[np.float64],
    step: tuple[int, int],
    basis: NDArray[np.float64],
    out: NDArray[np.bool_],
    first: int,
    last: int,
) -> None:
    """Write whether the nearest pixel of the image is bad or outside.

    Parameters
    ----------
    bad : (my, mx)
        Bad pixels of the image.
    nodes : (3, n, m)
        x, y and area ratio of the mapping on a grid of `step` pixels.
    step : rows, columns
        Between nodes.
    basis : (3, 4, 4)
        As `basis_of` returns it.
    out : (ny, nx)
        Written.
    first, last
        Rows to process.
    """
    nx = out.shape[1]
    my, mx = bad.shape
    column, row = np.empty(nx, dtype=np.int32), np.empty(nx, dtype=np.int32)
    fx, fy = np.empty(nx, np.float32), np.empty(nx, np.float32)
    for i in range(first, last):
        lines = row_of_nodes(nodes[:2], i, step[0])
        positions(lines[0] + 0.5, basis, step[1], 0.0, column, fx)
        positions(lines[1] + 0.5, basis, step[1], 0.0, row, fy)
        for j in range(nx):
            x, y = column[j], row[j]
            is_there = (x >= 0) & (x < mx) & (y >= 0) & (y < my)
            out[i, j] = bad[y, x] if is_there else True


@compiled
def resample_rows(
    coefficients: Image,
    variance: Image,
    spread: Mask,
    nodes: NDArray[np.float64],
    step: tuple[int, int],
    basis: NDArray[np.float64],
    samples: int,
    out: Image,
    out_variance: Image,
    out_bits: Mask,
    first: int,
    last: int,
) -> None:
    """Follow a mapping: value, variance and mask bits of each pixel, in one pass.

    Parameters
    ----------
    coefficients, variance : (my, mx)
        Coefficients of the spline, and variance of the image.
    spread : (my, mx)
        As `spread_bits` wrote it; (0, 0) when no bit is set.
    nodes : (3, n, m)
        x, y and area ratio of the mapping on a grid of `step` pixels.
    step : rows, columns
        Between nodes.
    basis : (3, 4, 4)
        From four nodes to the polynomial of a cell, by the cell's position among them.
    samples
        Per side of a pixel; they are averaged.
    out, out_variance, out_bits : (ny, nx)
        Written.
    first, last
        Rows to process.
    """
    nx = out.shape[1]
    place = np.empty((2, nx), dtype=np.int32)
    fraction = np.empty((2, nx), dtype=np.float32)
    area, total = np.empty(nx, np.float32), np.empty(nx, np.float32)
    weight = np.float32(1 / samples**2)
    for i in range(first, last):
        bits, varied = out_bits[i], out_variance[i]
        bits[:] = 0
        varied[:] = 0
        total[:] = 0
        smooth(row_of_nodes(nodes[2:], i, step[0])[0], basis, step[1], area)
        for part in range(samples**2):
            dy = (part // samples + 0.5) / samples - 0.5
            dx = (part % samples + 0.5) / samples - 0.5
            lines = row_of_nodes(nodes[:2], i + dy, step[0])
            positions(lines[0], basis, step[1], dx, place[0], fraction[0])
            positions(lines[1], basis, step[1], dx, place[1], fraction[1])
            _follow(coefficients, variance, place, fraction, total, varied)
            _gather(spread, coefficients.shape, place, fraction, bits)
        for j in range(nx):
            value = total[j] * area[j] * weight
            out[i, j] = np.float32(0) if bits[j] & NO_DATA else value
            varied[j] *= area[j] * weight


@compiled
def _follow(
    coefficients: Image,
    variance: Image,
    place: NDArray[np.int32],
    fraction: NDArray[np.float32],
    total: NDArray[np.float32],
    varied: NDArray[np.float32],
) -> None:
    """Add the values and variances at the positions of a row."""
    my, mx = coefficients.shape
    nx = len(total)
    column, row = place
    fx, fy = fraction
    wx, wy = np.empty((4, nx), np.float32), np.empty((4, nx), np.float32)
    _weights(fx, wx)
    _weights(fy, wy)
    flat, flat_variance = coefficients.ravel(), variance.ravel()
    inside = np.empty(nx, dtype=np.bool_)
    for j in range(nx):
        x, y = column[j], row[j]
        inside[j] = (x >= 1) & (x < mx - 2) & (y >= 1) & (y < my - 2)
    j = 0
    while j < nx:
        # Neighbours whose samples are neighbours too go through together.
        end = j + 1
        while (
            end < nx
            and inside[end] == inside[j]
            and row[end] == row[j]
            and column[end] - column[j] == end - j
        ):
            end += 1
        if not inside[j]:
            for k in range(j, end):
                total[k] += _near_border(coefficients, row[k], column[k], wy, wx, k)
                varied[k] += _bilinear(variance, row[k], column[k], fy[k], fx[k])
        elif end - j < RUN_PX:
            _singles(flat, row, column, mx, wy, wx, total, j, end)
            _single_variances(flat_variance, row, column, mx, fy, fx, varied, j, end)
        else:
            _run(flat, row[j], column[j], mx, wy, wx, total, j, end)
            _run_variance(flat_variance, row[j], column[j], mx, fy, fx, varied, j, end)
        j = end


@compiled
def _gather(
    spread: Mask,
    shape: tuple[int, int],
    place: NDArray[np.int32],
    fraction: NDArray[np.float32],
    bits: NDArray[np.uint16],
) -> None:
    """Add the bits at the positions of a row; NO_DATA beyond the image's border."""
    my, mx = shape
    column, row = place
    for j in range(len(bits)):
        x, y = column[j], row[j]
        if (x >= 0) & (x < mx - 1) & (y >= 0) & (y < my - 1):
            if spread.size:
                bits[j] |= spread[y, x]
        elif _is_outside(y, fraction[1, j], my) | _is_outside(x, fraction[0, j], mx):
            bits[j] |= NO_DATA
        elif spread.size:
            bits[j] |= spread[min(max(y, 0), my - 1), min(max(x, 0), mx - 1)]


@compiled
def _weights(fraction: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
    """Cubic B-spline at the four samples around a position."""
    for j in range(len(fraction)):
        f = fraction[j]
        g = UNIT - f
        before, after = SIXTH * g * g * g, SIXTH * f * f * f
        middle = TWO_THIRDS - f * f + HALF * f * f * f
        weights[0, j], weights[1, j] = before, middle
        weights[2, j], weights[3, j] = UNIT - before - middle - after, after


@compiled
def _run(
    flat: NDArray[np.float32],
    row: int,
    column: int,
    width: int,
    wy: NDArray[np.float32],
    wx: NDArray[np.float32],
    total: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """Spline values of pixels whose samples follow each other in memory."""
    begin = (row - 1) * width + column - 1
    for a in range(4):
        line = flat[begin + a * width : begin + a * width + last - first + 3]
        part, out = wy[a, first:last], total[first:last]
        w0, w1 = wx[0, first:last], wx[1, first:last]
        w2, w3 = wx[2, first:last], wx[3, first:last]
        for k in range(last - first):
            out[k] += part[k] * (
                w0[k] * line[k] + w1[k] * line[k + 1] + w2[k] * line[k + 2] + w3[k] * line[k + 3]
            )


@compiled
def _run_variance(
    flat: NDArray[np.float32],
    row: int,
    column: int,
    width: int,
    fy: NDArray[np.float32],
    fx: NDArray[np.float32],
    total: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """Bilinear values of pixels whose samples follow each other in memory."""
    begin = row * width + column
    low = flat[begin : begin + last - first + 1]
    high = flat[begin + width : begin + width + last - first + 1]
    out, across, up = total[first:last], fx[first:last], fy[first:last]
    for k in range(last - first):
        lower = low[k] + across[k] * (low[k + 1] - low[k])
        upper = high[k] + across[k] * (high[k + 1] - high[k])
        out[k] += lower + up[k] * (upper - lower)


@compiled
def _singles(
    flat: NDArray[np.float32],
    row: NDArray[np.int32],
    column: NDArray[np.int32],
    width: int,
    wy: NDArray[np.float32],
    wx: NDArray[np.float32],
    total: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """Spline values one by one; all samples lie in the image."""
    # Unsigned, because numba looks whether signed indices are negative.
    down = np.uint64(width)
    for j in range(first, last):
        at = np.uint64((row[j] - 1) * width + column[j] - 1)
        w0, w1, w2, w3 = wx[0, j], wx[1, j], wx[2, j], wx[3, j]
        value = np.float32(0)
        for a in range(4):
            value += wy[a, j] * (
                w0 * flat[at] + w1 * flat[at + ONE] + w2 * flat[at + TWO] + w3 * flat[at + THREE]
            )
            at += down
        total[j] += value


@compiled
def _single_variances(
    flat: NDArray[np.float32],
    row: NDArray[np.int32],
    column: NDArray[np.int32],
    width: int,
    fy: NDArray[np.float32],
    fx: NDArray[np.float32],
    total: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """Bilinear values one by one; all samples lie in the image."""
    down = np.uint64(width)
    for j in range(first, last):
        at = np.uint64(row[j] * width + column[j])
        low, high = flat[at], flat[at + down]
        lower = low + fx[j] * (flat[at + ONE] - low)
        upper = high + fx[j] * (flat[at + down + ONE] - high)
        total[j] += lower + fy[j] * (upper - lower)


@compiled
def _near_border(
    coefficients: Image,
    row: int,
    column: int,
    wy: NDArray[np.float32],
    wx: NDArray[np.float32],
    j: int,
) -> np.floating:
    """Spline value where some samples lie over the border: they are mirrored."""
    my, mx = coefficients.shape
    total = np.float32(0)
    for a in range(4):
        y = _mirrored(row - 1 + a, my)
        for b in range(4):
            x = _mirrored(column - 1 + b, mx)
            total += wy[a, j] * wx[b, j] * coefficients[y, x]
    return total


@compiled
def _mirrored(index: int, n: int) -> int:
    inner = -index if index < 0 else index
    inner = 2 * n - 2 - inner if inner >= n else inner
    return min(max(inner, 0), n - 1)


@compiled
def _bilinear(image: Image, row: int, column: int, fy: float, fx: float) -> float:
    """Bilinear value, the border's beyond it."""
    my, mx = image.shape
    y0, y1 = min(max(row, 0), my - 1), min(max(row + 1, 0), my - 1)
    x0, x1 = min(max(column, 0), mx - 1), min(max(column + 1, 0), mx - 1)
    lower = image[y0, x0] + fx * (image[y0, x1] - image[y0, x0])
    upper = image[y1, x0] + fx * (image[y1, x1] - image[y1, x0])
    return lower + fy * (upper - lower)


@compiled
def _is_outside(whole: int, fraction: float, n: int) -> bool:
    """Whether a position lies beyond the outer edges of the first or last pixel."""
    at = whole + fraction
    return (at < -0.5) | (at > n - 0.5)
