"""Loops over pixels for the level and the structure of the sky.

What is done with the sums is decided in `sky_match` and `sky_structure`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled, compiled_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image


@compiled
def double(halved: Image, out: Image, first: int, last: int) -> None:
    """Double an image: pixels in between are the mean of their neighbours.

    The last row and column are repeated where the image is longer.

    Parameters
    ----------
    halved : (my, mx)
        Every second pixel of every second row.
    out : (ny, nx)
        Receives the whole image.
    first, last
        The rows to work on, `last` not included.
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
    science: Image,
    reference: Image,
    level: Image,
    bad: NDArray[np.bool_],
    limit: float,
    flat: Image,
    quiet: NDArray[np.bool_],
    first: int,
    last: int,
) -> None:
    """Write the difference less its level, and where it is good and within a limit.

    Parameters
    ----------
    science, reference : (ny, nx), electrons
        Both images.
    level : (ny, nx), electrons
        Level of their difference.
    bad : (ny, nx)
        Pixels that do not count.
    limit : electrons
        Largest deviation that counts.
    flat : (ny, nx)
        Receives the difference.
    quiet : (ny, nx)
        Receives True where it counts.
    first, last
        The rows to work on, `last` not included.
    """
    most = np.float32(limit)
    for i in range(first, last):
        for j in range(flat.shape[1]):
            left = science[i, j] - reference[i, j] - level[i, j]
            flat[i, j] = left
            quiet[i, j] = (not bad[i, j]) & (abs(left) < most)


@compiled
def blank_scores(
    flux: Image,
    variance: Image,
    blank: NDArray[np.bool_],
    limit: float,
    out: Image,
    first: int,
    last: int,
) -> None:
    """Write scores of blank sky; 0 elsewhere and beyond a limit.

    Parameters
    ----------
    flux : (ny, nx), electrons
        Flux of the matched filter.
    variance : (ny, nx), electrons squared
        Variance of the flux.
    blank : (ny, nx)
        True on blank sky.
    limit : sigma
        Largest score that counts.
    out : (ny, nx), sigma
        Receives the scores.
    first, last
        The rows to work on, `last` not included.
    """
    most = np.float32(limit)
    for i in range(first, last):
        for j in range(out.shape[1]):
            score = flux[i, j] / np.sqrt(variance[i, j])
            is_sky = blank[i, j] & (abs(score) <= most)
            out[i, j] = score if is_sky else np.float32(0)


@compiled_sums
def lagged_products(
    scores: Image,
    lag: int,
    totals: NDArray[np.float64],
    pairs: NDArray[np.int64],
    first: int,
    last: int,
) -> None:
    """Sum the products of each row's scores with those `lag` beside and below them.

    Parameters
    ----------
    scores : (ny, nx), sigma
        0 where there is none.
    lag : pixels
        Distance of the pairs.
    totals : (ny,)
        Receives the sums.
    pairs : (ny,)
        Receives the number of pairs of which neither is 0.
    first, last
        The rows to work on, `last` not included.
    """
    ny, nx = scores.shape
    zero = np.float32(0)
    for i in range(first, last):
        line, total, count = scores[i], 0.0, 0
        for j in range(nx - lag):
            total += line[j] * line[j + lag]
            count += (line[j] != zero) & (line[j + lag] != zero)
        if i + lag < ny:
            below = scores[i + lag]
            for j in range(nx):
                total += line[j] * below[j]
                count += (line[j] != zero) & (below[j] != zero)
        totals[i], pairs[i] = total, count
