"""The compiled loop of `shapes`: adaptive moments, star by star."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled

Array = NDArray[np.float64]

REACH_SIGMA = 4.0
"""Beyond it the weight is below 4e-4 and noise is all that is added."""


@compiled
def adaptive_moments(  # noqa: PLR0915  one loop, inlined for speed
    data: NDArray[np.float32],
    usable: NDArray[np.bool_],
    x: Array,
    y: Array,
    start: float,
    radius: int,
    iterations: int,
    tolerance: float,
    smallest: float,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Write x, y, xx, yy, xy and 1 (0 without light) per star to `out`.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky-subtracted.
    usable : (ny, nx)
        True on pixels that count.
    x, y : (n,), pixels
        First positions; NaN gives NaN.
    start : square pixels
        First second moment of the weight.
    radius : pixels
        Half side of the square around the nearest pixel that is used.
    iterations
        At most so many.
    tolerance : pixels
        Iterations end when centroid and size change by less.
    smallest : square pixels
        Least second moment of the weight.
    out : (n, 6)
        Written; pixels and square pixels.
    first, last
        Stars to measure.

    References
    ----------
    Bernstein & Jarvis 2002, AJ 123, 583: moments under a matched Gaussian weight.
    """
    ny, nx = data.shape
    largest = (radius / 1.5) ** 2
    for index in range(first, last):
        if not (np.isfinite(x[index]) and np.isfinite(y[index])):
            out[index, :5] = np.nan
            out[index, 5] = 0.0
            continue
        column, row = round(x[index]), round(y[index])
        dx, dy = x[index] - column, y[index] - row
        xx, yy, xy = start, start, 0.0
        lit = 1.0
        for _ in range(iterations):
            det = xx * yy - xy * xy
            a, b, c = yy / det, -xy / det, xx / det
            # One standard deviation along y, and along x within a row.
            reach_y = REACH_SIGMA * np.sqrt(yy)
            reach_x = REACH_SIGMA / np.sqrt(a)
            total = sx = sy = sxx = syy = sxy = 0.0
            low = max(-radius, int(np.ceil(dy - reach_y)), -row)
            high = min(radius, int(np.floor(dy + reach_y)), ny - 1 - row)
            for j in range(low, high + 1):
                v = j - dy
                middle = dx - b / a * v
                left = max(-radius, int(np.ceil(middle - reach_x)), -column)
                right = min(radius, int(np.floor(middle + reach_x)), nx - 1 - column)
                for i in range(left, right + 1):
                    if not usable[row + j, column + i]:
                        continue
                    u = i - dx
                    weight = np.exp(-0.5 * (a * u * u + 2 * b * u * v + c * v * v))
                    light = weight * data[row + j, column + i]
                    total += light
                    sx += light * u
                    sy += light * v
                    sxx += light * u * u
                    syy += light * v * v
                    sxy += light * u * v
            if not total > 0:
                lit = 0.0
                total = 1.0
            mx = min(max(sx / total, -1.0), 1.0)
            my = min(max(sy / total, -1.0), 1.0)
            # The second moment under an equal Gaussian weight is half the true one.
            before_xx, before_yy = xx, yy
            xx = min(max(2 * sxx / total, smallest), largest)
            yy = min(max(2 * syy / total, smallest), largest)
            limit = 0.95 * np.sqrt(xx * yy)
            xy = min(max(2 * sxy / total, -limit), limit)
            half = radius / 2
            dx = min(max(dx + 2 * mx, -half), half)
            dy = min(max(dy + 2 * my, -half), half)
            moved = max(abs(mx), abs(my))
            grown = max(abs(xx - before_xx) / xx, abs(yy - before_yy) / yy)
            if lit == 0.0 or (moved < tolerance and grown < tolerance):
                break
        out[index, 0] = column + dx
        out[index, 1] = row + dy
        out[index, 2] = xx
        out[index, 3] = yy
        out[index, 4] = xy
        out[index, 5] = lit
