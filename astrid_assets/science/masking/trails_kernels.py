"""Kernels of the search for straight lines: bins, sums along lines, strips.

References
----------
Brady 1998, SIAM J. Comput. 27, 107 (sums along all lines of an image in N² log N).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled

Bool = NDArray[np.bool_]
Image = NDArray[np.float32]
Array = NDArray[np.float64]

SIDES_FROM, SIDES_TO = 3, 5
"""Distance, in bins, of the lines on either side that a line must exceed."""


@compiled
def bin_snr(
    data: Image,
    rms: Image,
    bad: Bool,
    step: int,
    clip: float,
    bin_clip: float,
    values: Image,
    good: Image,
    first: int,
    last: int,
) -> None:
    """Average signal-to-noise into blocks of unit noise; 0 where half is bad.

    Parameters
    ----------
    data, rms : (ny, nx), electrons
        Sky-subtracted light, and the noise of the sky.
    bad : (ny, nx)
        Pixels that must not count.
    step : pixels
        Side of a block.
    clip, bin_clip : sigma
        A pixel, and a block, count at most this much.
    values, good : (ny // step, nx // step)
        Written: the averages, and 1 or 0 for usable blocks or not.
    first, last
        Rows of blocks to process.
    """
    width = values.shape[1]
    most = np.float32(clip)
    row_sum, row_count = np.empty(width, np.float32), np.empty(width, np.float32)
    for block in range(first, last):
        row_sum[:], row_count[:] = 0, 0
        for y in range(block * step, block * step + step):
            for u in range(width):
                total, count = np.float32(0), np.float32(0)
                for x in range(u * step, u * step + step):
                    snr = min(max(data[y, x] / rms[y, x], -most), most)
                    usable = not bad[y, x] and rms[y, x] > 0
                    total += snr if usable else np.float32(0)
                    count += np.float32(usable)
                row_sum[u] += total
                row_count[u] += count
        for u in range(width):
            usable = row_count[u] > step * step / 2
            value = row_sum[u] / np.sqrt(max(row_count[u], np.float32(1)))
            values[block, u] = min(max(value, -bin_clip), bin_clip) if usable else 0
            good[block, u] = usable


@compiled
def halve_bins(values: Image, good: Image) -> tuple[Image, Image]:
    """Average blocks of 2 x 2 bins, again to unit noise.

    Parameters
    ----------
    values, good : (ny, nx)
        As `bin_snr` wrote them.

    Returns
    -------
    values, good : (ny // 2, nx // 2)
        The same for bins of twice the side.
    """
    ny, nx = values.shape[0] // 2, values.shape[1] // 2
    out, usable = np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.float32)
    for y in range(ny):
        for x in range(nx):
            count = good[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].sum()
            if count > 1:
                total = values[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].sum()
                out[y, x] = total / np.sqrt(count)
                usable[y, x] = 1
    return out, usable


@compiled
def best_lines(values: Image, good: Image, shortest: int) -> Array:
    """Find the line that most exceeds its neighbours, for every dyadic length.

    Lines run down the rows and to the right by at most as many columns. Blocks of
    ``h`` rows contain the sums of lines that enter them at column x and leave them s
    columns further; two blocks make one of twice the height.

    Parameters
    ----------
    values, good : (ny, nx)
        As `bin_snr` wrote them.
    shortest : rows
        Smallest height of a line.

    Returns
    -------
    found : (levels, 6)
        Significance, scatter of all lines, rows h, first row, column there, shift s.

    References
    ----------
    Brady 1998, SIAM J. Comput. 27, 107.
    """
    ny, nx = values.shape
    rows = 1
    while rows < ny:
        rows *= 2
    width = nx + rows
    sums, counts = (
        np.zeros((rows, width), np.float32),
        np.zeros((rows, width), np.float32),
    )
    sums[:ny, rows:], counts[:ny, rows:] = values, good
    found = np.zeros((16, 6))
    level, height = 0, 1
    while height < rows:
        sums, counts = _doubled(sums, height), _doubled(counts, height)
        height *= 2
        if height >= shortest:
            _best_of_level(sums, counts, height, found[level])
            found[level, 4] -= rows
            level += 1
    return found[:level]


@compiled
def _doubled(sums: Image, height: int) -> Image:
    rows, width = sums.shape
    out = np.empty_like(sums)
    for block in range(0, rows, 2 * height):
        for s in range(2 * height):
            upper, lower = block + s // 2, block + height + s // 2
            shift = s - s // 2
            row = block + s
            for x in range(width - shift):
                out[row, x] = sums[upper, x] + sums[lower, x + shift]
            for x in range(max(width - shift, 0), width):
                out[row, x] = sums[upper, x]
    return out


@compiled
def _best_of_level(sums: Image, counts: Image, height: int, best: Array) -> None:
    """Compare every line with those beside it; keep the most significant one."""
    rows, width = sums.shape
    sigma = np.zeros(width, np.float32)
    least = np.float32(height / 2)
    number, squares = 0.0, 0.0
    for row in range(rows):
        for x in range(SIDES_TO, width - SIDES_TO):
            beside, beside_count = np.float32(0), np.float32(1e-3)
            for d in range(SIDES_FROM, SIDES_TO + 1):
                beside += sums[row, x - d] + sums[row, x + d]
                beside_count += counts[row, x - d] + counts[row, x + d]
            count = counts[row, x]
            share = count / beside_count
            contrast = sums[row, x] - beside * share
            usable = (count >= least) & (beside_count >= least)
            noise = np.sqrt(max(count + count * share, np.float32(1)))
            sigma[x] = contrast / noise if usable else np.float32(0)
        top = np.float32(0)
        for x in range(SIDES_TO, width - SIDES_TO):
            squares += min(sigma[x] * sigma[x], np.float32(16))
            number += sigma[x] != 0
            top = max(top, sigma[x])
        if top > best[0]:
            best[0], best[2] = top, height
            best[3] = row // height * height
            best[4], best[5] = np.argmax(sigma), row % height
    best[1] = np.sqrt(squares / max(number, 1.0))


@compiled
def strip(
    data: Image,
    rms: Image,
    bad: Bool,
    line: tuple[float, float],
    along: tuple[int, int],
    reach: int,
) -> Image:
    """Resample a band along a line: signal-to-noise by position along and across it.

    Parameters
    ----------
    data, rms : (ny, nx), electrons
        Sky-subtracted light, and the noise of the sky.
    bad : (ny, nx)
        Pixels that must not count.
    line : angle, distance
        The pixels with ``x cos(angle) + y sin(angle) = distance``; radians, pixels.
    along : first, last
        Positions along the line, pixels.
    reach : pixels
        To either side of it.

    Returns
    -------
    snr : (last - first, 2 reach + 1)
        NaN where a pixel is bad or outside.
    """
    ny, nx = data.shape
    angle, distance = line
    c, s = np.cos(angle), np.sin(angle)
    out = np.full((along[1] - along[0], 2 * reach + 1), np.nan, np.float32)
    for t in range(along[0], along[1]):
        for k in range(-reach, reach + 1):
            x = int(np.floor((distance + k) * c - t * s + 0.5))
            y = int(np.floor((distance + k) * s + t * c + 0.5))
            if 0 <= x < nx and 0 <= y < ny and not bad[y, x] and rms[y, x] > 0:
                out[t - along[0], k + reach] = data[y, x] / rms[y, x]
    return out


@compiled
def steepest(
    snr: Image, slopes: Array, window: tuple[int, int], width: int, clip: float
) -> tuple[float, int]:
    """Find the slope and the middle at which a band through a strip is brightest.

    Parameters
    ----------
    snr : (n, m)
        As `strip` returns it.
    slopes : (k,)
        Pixels across per pixel along, to be tried.
    window : first, last
        Columns in which the middle may lie.
    width : pixels
        Width of the band.
    clip : sigma
        A pixel counts at most this much.

    Returns
    -------
    slope
        The best of `slopes`.
    middle
        Column of the band at half the length.
    """
    length, across = snr.shape
    total, count = np.empty(across), np.empty(across)
    best, slope, middle = -np.inf, 0.0, window[0]
    for trial in slopes:
        total[:], count[:] = 0, 0
        for t in range(length):
            shift = int(np.floor(trial * (t - length / 2) + 0.5))
            for k in range(max(0, -shift), min(across, across - shift)):
                value = snr[t, k + shift]
                if not np.isnan(value):
                    total[k] += min(max(value, -clip), clip)
                    count[k] += 1
        for k in range(max(window[0], width // 2), min(window[1], across - width)):
            low = k - width // 2
            n = count[low : low + width].sum()
            if n > 0:
                shine = total[low : low + width].sum() / np.sqrt(n)
                if shine > best:
                    best, slope, middle = shine, trial, k
    return slope, middle


@compiled
def paint_line(
    marked: Bool, line: tuple[float, float], along: tuple[float, float], half: float
) -> None:
    """Set the pixels within half a width of a stretch of a line.

    Parameters
    ----------
    marked : (ny, nx)
        Changed in place.
    line : angle, distance
        The pixels with ``x cos(angle) + y sin(angle) = distance``; radians, pixels.
    along : first, last
        Ends of the stretch, pixels along the line; infinite: the whole line.
    half : pixels
        Half the width.
    """
    ny, nx = marked.shape
    angle, distance = line
    c, s = np.cos(angle), np.sin(angle)
    for y in range(ny):
        # Only the columns that the band can reach in this row.
        if abs(c) > 1e-6:
            a = (distance - half - y * s) / c
            b = (distance + half - y * s) / c
            left, right = max(int(min(a, b)) - 1, 0), min(int(max(a, b)) + 2, nx)
        else:
            left, right = 0, nx
        for x in range(left, right):
            across = x * c + y * s - distance
            place = -x * s + y * c
            if abs(across) <= half and along[0] <= place <= along[1]:
                marked[y, x] = True
