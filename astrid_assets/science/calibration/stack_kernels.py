"""Loops over stacks of calibration frames, compiled: one pixel at a time.

What they compute, and why, is explained in `stacking`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

    Real = float | np.float32


@compiled
def medians_and_deviations(block: Image, middle: Image, scatter: Image) -> None:
    """Write median and median absolute deviation over the first axis.

    Parameters
    ----------
    block : (n, rows, columns)
        NaN where there is no value; a pixel without any gets NaN twice.
    middle, scatter : (rows, columns), written
    """
    n, rows, columns = block.shape
    values = np.empty(n, np.float32)
    for y in range(rows):
        for x in range(columns):
            count = _sorted(block, y, x, values)
            median = _median(values, count)
            middle[y, x] = median
            scatter[y, x] = _deviation(values, count, median)


@compiled
def clipped_means(
    block: Image, floor: float, clip: float, mean: Image, noise: Image, counts: NDArray[np.int64]
) -> None:
    """Write the mean of the values near the median, and the variance of that mean.

    Parameters
    ----------
    block : (n, rows, columns)
    floor
        Smallest median absolute deviation that a pixel is judged by.
    clip
        In median absolute deviations; values farther from the median are left out.
    mean, noise : (rows, columns), written
        NaN without values; `noise` is NaN with fewer than two.
    counts : (2,), added to
        Valid values, and those of them that were left out.
    """
    n, rows, columns = block.shape
    values = np.empty(n, np.float32)
    for y in range(rows):
        for x in range(columns):
            count = _sorted(block, y, x, values)
            median = _median(values, count)
            deviation = _deviation(values, count, median)
            limit = clip * max(deviation, floor)
            first, last = _near(values, count, median, limit)
            kept = last - first
            off = np.float64(0)
            for k in range(first, last):
                off += values[k] - median
            off /= kept
            squares = np.float64(0)
            for k in range(first, last):
                squares += (values[k] - median - off) ** 2
            mean[y, x] = median + off
            noise[y, x] = squares / (kept - 1) / kept if kept > 1 else np.nan
            counts[0] += count
            counts[1] += count - kept


@compiled
def _near(values: Image, count: int, median: Real, limit: Real) -> tuple[int, int]:
    """Return the range of the sorted values that lie within a limit of the median.

    All of them when none does: the median may lie between two groups.
    """
    first, last = 0, count
    if limit == 0.0:
        return first, last
    while first < count and median - values[first] > limit:
        first += 1
    while last > first and values[last - 1] - median > limit:
        last -= 1
    return (first, last) if last > first else (0, count)


@compiled
def _median(values: Image, count: int) -> Real:
    """Return the median of sorted values, NaN without any."""
    if count == 0:
        return np.float32(np.nan)
    return np.float32(0.5) * (values[(count - 1) // 2] + values[count // 2])


@compiled
def _sorted(block: Image, y: int, x: int, values: Image) -> int:
    """Sort the finite values of a pixel by insertion; returns how many there are."""
    count = 0
    for k in range(block.shape[0]):
        value = block[k, y, x]
        if not np.isfinite(value):
            continue
        slot = count
        while slot > 0 and values[slot - 1] > value:
            values[slot] = values[slot - 1]
            slot -= 1
        values[slot] = value
        count += 1
    return count


@compiled
def _deviation(values: Image, count: int, median: Real) -> Real:
    """Return the median absolute deviation of sorted values from their median."""
    if count == 0:
        return np.float32(np.nan)
    # The deviations grow from the middle outwards: walk there from both sides.
    left = (count - 1) // 2
    right = left + 1
    before = np.float32(0)
    now = np.float32(0)
    for _ in range(count // 2 + 1):
        before = now
        low = median - values[left] if left >= 0 else np.float32(np.inf)
        high = values[right] - median if right < count else np.float32(np.inf)
        if low <= high:
            now = low
            left -= 1
        else:
            now = high
            right += 1
    if count % 2 == 1:
        return now
    return np.float32(0.5) * (before + now)
