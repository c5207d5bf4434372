"""Runs of light along a line: the ends of a trail, and whether it is one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.robust import mad_sigma

MIN_LENGTH_SHARE = 0.2
"""Share of the frame's shorter side; spikes of bright stars and galaxies are shorter."""

MIN_LENGTH_PX = 60
MIN_CORNER_PX = 40
"""Length of a line from border to border, across a corner."""

SEGMENT_PX = 20
SEGMENTS = 40
SEGMENT_SIGMA = 2.5
MIN_LIT_SHARE = 0.75

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]


def lit_run(shine: Array) -> tuple[int, int]:
    """Return the longest stretch of lit segments; single gaps are allowed.

    Parameters
    ----------
    shine : (n,), sigma
        Light of the line above both sides, by position along it; NaN where unknown.

    Returns
    -------
    first, last
        Pixels ``first..last - 1`` along the line; 0, 0 without any.
    """
    edges = _segments(len(shine))
    lit = _lit(shine, edges)
    # A dark segment between two lit ones is a star's mask or a tumble.
    closed = lit.copy()
    closed[1:-1] |= lit[:-2] & lit[2:]
    closed[1:-2] |= lit[:-3] & lit[3:]
    closed[2:-1] |= lit[:-3] & lit[3:]
    best, start = (0, 0), 0
    for index, shines in enumerate([*closed, False]):
        if not shines:
            if index - start > best[1] - best[0]:
                best = start, index
            start = index + 1
    if best[1] == best[0]:
        return 0, 0
    return _ends(shine, edges, best)


def _segments(length: int) -> NDArray[np.intp]:
    """Cut a line into segments of equal length."""
    number = int(np.clip(length // SEGMENT_PX, 1, SEGMENTS))
    return np.linspace(0, length, number + 1).astype(np.intp)


def _lit(shine: Array, edges: NDArray[np.intp]) -> Bool:
    """Return which segments are lit: their median is above its own error."""
    lit = np.zeros(len(edges) - 1, dtype=bool)
    for index, (a, b) in enumerate(pairwise(edges)):
        part = shine[a:b][np.isfinite(shine[a:b])]
        if len(part) > (b - a) / 4:
            middle = np.median(part)
            spread = mad_sigma(part, float(middle))
            lit[index] = middle > SEGMENT_SIGMA * 1.25 * spread / np.sqrt(len(part))
    return lit


def _ends(shine: Array, edges: NDArray[np.intp], run: tuple[int, int]) -> tuple[int, int]:
    """Return the ends of a lit run to the pixel, where its light begins."""
    first, last = int(edges[run[0]]), int(edges[run[1]])
    usual = float(np.nanmedian(shine[first:last]))
    reach = int(edges[1] - edges[0])
    clipped = np.clip(np.nan_to_num(shine), -usual, 2 * usual) - usual / 2
    before = clipped[max(first - reach, 0) : min(first + reach, len(shine))]
    after = clipped[max(last - reach, 0) : min(last + reach, len(shine))]
    # The sum of light from a position on is greatest where the line begins.
    begin = max(first - reach, 0) + int(np.argmax(np.cumsum(before[::-1])[::-1]))
    end = max(last - reach, 0) + int(np.argmax(np.cumsum(after))) + 1
    # Too little is left beyond to be judged: the trail came from outside.
    begin = 0 if begin < 1.5 * reach else begin
    end = len(shine) if end > len(shine) - 1.5 * reach else end
    return begin, max(end, begin + 1)


def is_long(run: tuple[int, int], crossing: int, shape: tuple[int, int]) -> bool:
    """Return whether a run is as long as a trail, or crosses a corner.

    Parameters
    ----------
    run : first, last
        Along the line, pixels.
    crossing : pixels
        Length of the line within the frame.
    shape : (ny, nx)
        Shape of the frame.

    Returns
    -------
    is_long
        True for a fifth of the shorter side and 60 pixels, or for 90 % of the crossing
        and 40 pixels.
    """
    length = run[1] - run[0]
    across = length > 0.9 * crossing and length >= MIN_CORNER_PX
    return across or length >= max(MIN_LENGTH_SHARE * min(shape), MIN_LENGTH_PX)


def is_lit(shine: Array) -> bool:
    """Return whether most segments of a run are lit.

    Parameters
    ----------
    shine : (n,), sigma
        Light of the run above both sides, by position along it.

    Returns
    -------
    is_lit
        True for three quarters of the segments; False for an empty run.
    """
    if not len(shine):
        return False
    return bool(np.mean(_lit(shine, _segments(len(shine)))) >= MIN_LIT_SHARE)
