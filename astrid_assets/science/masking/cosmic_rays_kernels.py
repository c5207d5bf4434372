"""Kernels of the cosmic-ray search: what is computed at every pixel, and at a few.

Coordinates beyond the border are those of the border's pixel, as in the published
code. Index arrays are flat: ``y * nx + x``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled

Bool = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Image = NDArray[np.float32]
Index = NDArray[np.intp]

LEAST_SKY_SHARE = 0.04
"""Least share of sky in a pixel's variance, when its own light seems to be all of it."""

HOLE_REACH = 6
"""Pixels from which a window around a pixel takes its medians."""

LEAST_FINE_STRUCTURE = 0.01
"""In sigma; the fine structure is a divisor and must not vanish."""


@compiled
def _laplacian(data: Image, y: int, x: int) -> float:
    """Return the positive Laplacian of the frame subsampled twofold, rebinned.

    A subpixel has two neighbours in its own pixel and two outside, which leaves
    ``2 f - a - b``; negative ones are cut before the four are averaged.
    """
    ny, nx = data.shape
    twice = 2 * data[y, x]
    up, down = twice - data[max(y - 1, 0), x], twice - data[min(y + 1, ny - 1), x]
    left, right = data[y, max(x - 1, 0)], data[y, min(x + 1, nx - 1)]
    total = max(up - left, np.float32(0)) + max(up - right, np.float32(0))
    total += max(down - left, np.float32(0)) + max(down - right, np.float32(0))
    return total / 4


@compiled
def _sky(data: Image, variance: Image, y: int, x: int) -> float:
    """Return the variance of a pixel without its own light's."""
    total = variance[y, x]
    return max(total - max(data[y, x], np.float32(0)), LEAST_SKY_SHARE * total)


@compiled
def without_holes(data: Image, bad: Bool, out: Image, first: int, last: int) -> None:
    """Copy an image; bad pixels get the value of their brightest good neighbour.

    The rim of a hole would stand out otherwise, and also if the middle of a wide one
    were left dark: the windows around the rim reach `HOLE_REACH` into it.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky-subtracted.
    bad : (ny, nx)
        True on the pixels to fill.
    out : (ny, nx), electrons
        Written.
    first, last
        Rows to process.
    """
    for y in range(first, last):
        out[y] = data[y]
        for x in range(data.shape[1]):
            if bad[y, x]:
                out[y, x] = _brightest(data, bad, y, x)


@compiled
def _brightest(data: Image, bad: Bool, y: int, x: int) -> float:
    """Return the brightest good pixel nearby, or else a little farther; at least 0."""
    ny, nx = data.shape
    for reach in (2, HOLE_REACH):
        brightest, any_good = np.float32(0), False
        for v in range(max(y - reach, 0), min(y + reach + 1, ny)):
            for u in range(max(x - reach, 0), min(x + reach + 1, nx)):
                if not bad[v, u]:
                    any_good = True
                    brightest = max(brightest, data[v, u])
        if any_good:
            return float(brightest)
    return 0.0


@compiled
def outstanding(
    clean: Image,
    data: Image,
    variance: Image,
    bad: Bool,
    clip: float,
    peak: float,
    first: int,
    last: int,
    flags: Bytes,
) -> None:
    """Flag pixels with a significant Laplacian (1), and bright local maxima (2).

    The first is the paper's criterion with every median taken as zero, which only
    makes it easier to pass.

    Parameters
    ----------
    clean, data : (ny, nx), electrons
        Image without holes, and as it is.
    variance : (ny, nx), electrons squared
        With the Poisson noise of the light.
    bad : (ny, nx)
        True on pixels that are never flagged.
    clip, peak : sigma
        Significance of the Laplacian, and of a maximum.
    first, last
        Rows to process.
    flags : (ny, nx)
        Written.
    """
    nx = data.shape[1]
    clip2, peak2 = np.float32(4 * clip * clip), np.float32(peak * peak)
    zero, share = np.float32(0), np.float32(LEAST_SKY_SHARE)
    ny = data.shape[0]
    for y in range(first, last):
        above, below = max(y - 1, 0), min(y + 1, ny - 1)
        for x in range(1, nx - 1):
            light, total = clean[y, x], variance[y, x]
            up, down = clean[above, x], clean[below, x]
            left, right = clean[y, x - 1], clean[y, x + 1]
            twice = light + light
            edge = max(twice - up - left, zero) + max(twice - up - right, zero)
            edge += max(twice - down - left, zero) + max(twice - down - right, zero)
            edge *= np.float32(0.25)
            sky = max(total - max(data[y, x], zero), share * total)
            stands_out = edge * edge > clip2 * sky
            top = (light > up) & (light >= down) & (light > left) & (light >= right)
            bright = (light > zero) & (light * light > peak2 * total)
            good = not bad[y, x]
            flags[y, x] = (good & stands_out) | ((good & top & bright) << 1)
        for x in (0, nx - 1):
            edge = _laplacian(clean, y, x)
            sky = _sky(data, variance, y, x)
            flags[y, x] = (not bad[y, x]) & (edge * edge > clip2 * sky)


@compiled
def flagged(flags: Bytes, bit: int) -> Index:
    """Return the pixels with a flag, in raster order.

    Parameters
    ----------
    flags : (ny, nx)
        As `outstanding` wrote them.
    bit
        The flag, 1 or 2.

    Returns
    -------
    pixels : (n,)
        Flat indices.
    """
    ny, nx = flags.shape
    count = 0
    for y in range(ny):
        for x in range(nx):
            count += (flags[y, x] & bit) != 0
    out = np.empty(count, np.intp)
    k = 0
    for y in range(ny):
        any_set = 0
        for x in range(nx):
            any_set |= flags[y, x]
        if any_set & bit:
            for x in range(nx):
                if flags[y, x] & bit:
                    out[k] = y * nx + x
                    k += 1
    return out


@compiled
def judge_pixels(
    clean: Image,
    data: Image,
    variance: Image,
    pixels: Index,
    clip: float,
    significance: Image,
    contrast: Image,
    first: int,
    last: int,
) -> None:
    """Compute the paper's significance, and above `clip` contrast to fine structure.

    Windows and medians (of rows first, then of those) are the published code's: a
    narrow track leaves nothing in them, whatever its direction.

    Parameters
    ----------
    clean, data : (ny, nx), electrons
        Image without holes, and as it is.
    variance : (ny, nx), electrons squared
        With the Poisson noise of the light.
    pixels : (n,)
        Flat indices of the pixels to evaluate.
    clip : sigma
        Significance above which the contrast is computed.
    significance, contrast : (n,)
        Written; contrast is 0 where it was not computed.
    first, last
        Entries of `pixels` to process.

    References
    ----------
    van Dokkum 2001, PASP 113, 1420.
    """
    ny, nx = data.shape
    around, edges = np.empty((7, 7), np.float32), np.empty((7, 7), np.float32)
    fives, smooth = np.empty((13, 9), np.float32), np.empty((9, 9), np.float32)
    for k in range(first, last):
        y, x = pixels[k] // nx, pixels[k] % nx
        for dy in range(7):
            v = min(max(y + dy - 3, 0), ny - 1)
            for dx in range(7):
                u = min(max(x + dx - 3, 0), nx - 1)
                around[dy, dx] = clean[v, u]
                edges[dy, dx] = _laplacian(clean, v, u)
        own = edges[3, 3]
        # The local median stands in for the pixel's own light, which is in doubt.
        light = max(_median_of_rows(around), np.float32(0))
        noise = np.sqrt(_sky(data, variance, y, x) + light)
        value = (own - _median_of_rows(edges)) / (2 * noise)
        significance[k], contrast[k] = value, 0
        if value <= clip:
            continue
        fine = _fine_structure(clean, y, x, fives, smooth) / noise
        contrast[k] = value / max(fine, LEAST_FINE_STRUCTURE)


@compiled
def _fine_structure(clean: Image, y: int, x: int, fives: Image, smooth: Image) -> float:
    """Return the light of narrow structures around a pixel; two windows are scratch."""
    ny, nx = clean.shape
    five = np.empty(5, np.float32)
    for dy in range(13):
        v = min(max(y + dy - 6, 0), ny - 1)
        for dx in range(9):
            for d in range(5):
                five[d] = clean[v, min(max(x + dx + d - 6, 0), nx - 1)]
            fives[dy, dx] = _middle_of_five(five)
    for dy in range(9):
        for dx in range(9):
            for d in range(5):
                five[d] = fives[dy + d, dx]
            smooth[dy, dx] = _middle_of_five(five)
    middle = smooth[4, 4]
    return middle - _median_of_rows(smooth)


@compiled
def _middle_of_five(v: Image) -> float:
    """Return the median of five values."""
    low = max(min(v[0], v[1]), min(v[2], v[3]))
    high = min(max(v[0], v[1]), max(v[2], v[3]))
    return max(min(low, high), min(max(low, high), v[4]))


@compiled
def _median_of_rows(window: Image) -> float:
    """Return the median of the medians of the rows, which are reordered."""
    medians = np.empty(len(window), np.float32)
    for row in range(len(window)):
        medians[row] = _median(window[row])
    return _median(medians)


@compiled
def _median(values: Image) -> float:
    """Return the median of an odd number of values, which are reordered."""
    n = len(values)
    half = n // 2
    low, high = 0, n - 1
    # Hoare's selection: a third of the compares that sorting would take.
    while low < high:
        pivot = values[half]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if j < half:
            low = i
        if half < i:
            high = j
    return values[half]


@compiled
def neighbours(pixels: Index, taken: Bool, reach: int, seen: Bytes) -> Index:
    """Return the pixels around given ones, each once, except those that are taken.

    Parameters
    ----------
    pixels : (n,)
        Flat indices.
    taken : (ny, nx)
        True on pixels that are not returned.
    reach : pixels
        Rows and columns to either side.
    seen : (ny, nx)
        Scratch space; zero everywhere before and after.

    Returns
    -------
    found : (m,)
        Flat indices.
    """
    ny, nx = taken.shape
    count = 0
    found = np.empty(len(pixels) * (2 * reach + 1) ** 2, np.intp)
    for k in range(len(pixels)):
        y, x = pixels[k] // nx, pixels[k] % nx
        for v in range(max(y - reach, 0), min(y + reach + 1, ny)):
            for u in range(max(x - reach, 0), min(x + reach + 1, nx)):
                if not taken[v, u] and not seen[v, u]:
                    seen[v, u] = 1
                    found[count] = v * nx + u
                    count += 1
    for k in range(count):
        seen[found[k] // nx, found[k] % nx] = 0
    return found[:count].copy()


@compiled
def still_outstanding(
    clean: Image, data: Image, variance: Image, pixels: Index, clip: float
) -> Index:
    """Keep those pixels whose Laplacian is significant.

    Parameters
    ----------
    clean, data : (ny, nx), electrons
        Image without holes and found cosmic rays, and as it is.
    variance : (ny, nx), electrons squared
        With the Poisson noise of the light.
    pixels : (n,)
        Flat indices.
    clip : sigma
        Significance of the Laplacian.

    Returns
    -------
    kept : (m,)
        Flat indices, in the given order.
    """
    nx = data.shape[1]
    kept = np.empty(len(pixels), np.intp)
    count = 0
    for k in range(len(pixels)):
        y, x = pixels[k] // nx, pixels[k] % nx
        edge = _laplacian(clean, y, x)
        if edge * edge > 4 * clip * clip * _sky(data, variance, y, x):
            kept[count] = pixels[k]
            count += 1
    return kept[:count].copy()


@compiled
def fill(clean: Image, unusable: Bool, pixels: Index) -> None:
    """Replace pixels by the median of their good neighbours, or 0 where there is none.

    Parameters
    ----------
    clean : (ny, nx), electrons
        Changed in place.
    unusable : (ny, nx)
        True on pixels that do not enter a median.
    pixels : (n,)
        Flat indices of the pixels to fill.
    """
    ny, nx = clean.shape
    values = np.empty(25, np.float32)
    for k in range(len(pixels)):
        y, x = pixels[k] // nx, pixels[k] % nx
        n = 0
        for v in range(max(y - 2, 0), min(y + 3, ny)):
            for u in range(max(x - 2, 0), min(x + 3, nx)):
                if not unusable[v, u]:
                    values[n] = clean[v, u]
                    n += 1
        clean[y, x] = np.sort(values[:n])[(n - 1) // 2] if n else np.float32(0)
