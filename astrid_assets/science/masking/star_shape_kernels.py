"""Kernels that compare pixels with the shape of stars: charge against light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled

Bool = NDArray[np.bool_]
Image = NDArray[np.float32]
Index = NDArray[np.intp]

RIM = 3
"""Pixels beside a hole in a bright star that are left alone."""


@compiled
def shares(clean: Image, bad: Bool, pixels: Index) -> Image:
    """Return the light beside maxima over their own, along axes and diagonals.

    It is ``sqrt(a b) / p`` of a pixel p between a and b, which for a Gaussian of
    variance v is ``exp(-1 / 2v)`` along the axes and the square of that along the
    diagonals, wherever in its pixel it is centred.

    Parameters
    ----------
    clean : (ny, nx), electrons
        Image without holes.
    bad : (ny, nx)
        True on pixels that do not count.
    pixels : (n,)
        Flat indices of the maxima.

    Returns
    -------
    shares : (n, 4)
        Along row, column and both diagonals; NaN beside bad or dark pixels.
    """
    ny, nx = clean.shape
    out = np.full((len(pixels), 4), np.nan, np.float32)
    for k in range(len(pixels)):
        y, x = pixels[k] // nx, pixels[k] % nx
        if y < 1 or x < 1 or y > ny - 2 or x > nx - 2:
            continue
        if bad[y - 1 : y + 2, x - 1 : x + 2].any():
            continue
        for line in range(4):
            dy, dx = _step(line)
            a, b = clean[y + dy, x + dx], clean[y - dy, x - dx]
            if a > 0 and b > 0:
                out[k, line] = np.sqrt(a * b) / clean[y, x]
    return out


@compiled
def _step(line: int) -> tuple[int, int]:
    """Return the step (dy, dx) to a neighbour: row, column, two diagonals."""
    if line == 0:
        return 0, 1
    if line == 1:
        return 1, 0
    if line == 2:
        return 1, 1
    return 1, -1


@compiled
def sharper(
    clean: Image, variance: Image, bad: Bool, pixels: Index, least: Image, sigmas: float
) -> Bool:
    """Return which pixels lack the light beside them that a point source has.

    A star has ``sqrt(a b) >= share p`` for a pixel p between a and b, along each of
    four lines, and therefore also ``a + b >= 2 share p``. The first is the stronger
    condition; the second can be summed over the lines where most is missing, and so
    detects a faint cosmic ray.

    Parameters
    ----------
    clean : (ny, nx), electrons
        Image without holes.
    variance : (ny, nx), electrons squared
        With the Poisson noise of the light.
    bad : (ny, nx)
        True on pixels that do not count.
    pixels : (n,)
        Flat indices.
    least : (4,)
        Smallest share of a star along row, column and both diagonals.
    sigmas
        Significance of the missing light.

    Returns
    -------
    is_sharper : (n,)
        True where the light is missing.
    """
    ny, nx = clean.shape
    out = np.zeros(len(pixels), np.bool_)
    lacking, noise2, weight = np.empty(4), np.empty(4), np.empty(4)
    for k in range(len(pixels)):
        y, x = pixels[k] // nx, pixels[k] % nx
        p, vp = np.float64(clean[y, x]), np.float64(variance[y, x])
        n = 0
        for line in range(4):
            dy, dx = _step(line)
            v, u, w, t = y + dy, x + dx, y - dy, x - dx
            if min(v, w) < 0 or max(v, w) >= ny or min(u, t) < 0 or max(u, t) >= nx:
                continue
            if bad[v, u] or bad[w, t]:
                continue
            a, b = np.float64(clean[v, u]), np.float64(clean[w, t])
            va, vb = np.float64(variance[v, u]), np.float64(variance[w, t])
            lacking[n] = 2 * least[line] * p - a - b
            noise2[n], weight[n] = va + vb, 2 * least[line]
            n += 1
            a, b, share = max(a, 0.0), max(b, 0.0), least[line] ** 2
            missing = p * p * share - a * b
            spread2 = (2 * p * share) ** 2 * vp + a * a * vb + b * b * va + va * vb
            if missing > 0 and missing * missing > sigmas * sigmas * spread2:
                out[k] = True
        total, spread2, factor = 0.0, 0.0, 0.0
        for line in np.argsort(-lacking[:n]):
            total += lacking[line]
            spread2 += noise2[line]
            factor += weight[line]
            if total > 0 and total**2 > sigmas**2 * (spread2 + factor**2 * vp):
                out[k] = True
    return out


@compiled
def away_from_stars(
    clean: Image, variance: Image, bad: Bool, pixels: Index, snr: float, border: int
) -> Index:
    """Keep pixels that are neither beside a hole in a bright star nor on the border.

    The steep flank of half a star has no shape that could be compared.

    Parameters
    ----------
    clean : (ny, nx), electrons
        Image with holes filled.
    variance : (ny, nx), electrons squared
        With the Poisson noise of the light.
    bad : (ny, nx)
        True in holes.
    pixels : (n,)
        Flat indices.
    snr
        Filled light over the noise from which a hole counts as in a bright star.
    border : pixels
        Width of the border.

    Returns
    -------
    kept : (m,)
        Flat indices, in the given order.
    """
    ny, nx = clean.shape
    kept = np.empty(len(pixels), np.intp)
    count = 0
    for k in range(len(pixels)):
        y, x = pixels[k] // nx, pixels[k] % nx
        is_rim = min(y, x, ny - 1 - y, nx - 1 - x) < border
        for v in range(max(y - RIM, 0), min(y + RIM + 1, ny)):
            for u in range(max(x - RIM, 0), min(x + RIM + 1, nx)):
                if bad[v, u] and clean[v, u] > snr * np.sqrt(variance[y, x]):
                    is_rim = True
        if not is_rim:
            kept[count] = pixels[k]
            count += 1
    return kept[:count].copy()
