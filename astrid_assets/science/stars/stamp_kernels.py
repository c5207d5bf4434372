"""Compiled loops over PSFs: splines evaluated on pixels, summed back, fitted.

A PSF is a sum of cubic B-splines on a grid of `oversampling` nodes per pixel; the
middle node is the star's centre. A star's offset from its pixel has one fractional
part for the whole stamp, so its spline weights are four numbers per axis.

They share one file because compiled code is cached per file: a kernel does not
notice that one it calls from elsewhere has changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled, compiled_sums

Array = NDArray[np.float64]
Stamps = NDArray[np.float64]
Image = NDArray[np.float32]

MARGIN = 64
"""Nodes that a stamp may reach beyond the grid, where there is no PSF."""


@compiled
def spline_weights(t: float, values: Array, slopes: Array) -> None:
    """Write the weights of the nodes -1, 0, 1, 2 at t in 0..1, and their slopes.

    Parameters
    ----------
    t
        Position between nodes 0 and 1.
    values, slopes : (4,)
        Written: cubic B-spline, and its derivative by t.
    """
    s = 1 - t
    values[0] = s * s * s / 6
    values[1] = (3 * t * t * t - 6 * t * t + 4) / 6
    values[2] = (3 * s * s * s - 6 * s * s + 4) / 6
    values[3] = t * t * t / 6
    slopes[0] = -s * s / 2
    slopes[1] = (3 * t * t - 4 * t) / 2
    slopes[2] = (-3 * s * s + 4 * s) / 2
    slopes[3] = t * t / 2


@compiled_sums
def combine_nodes(nodes: Stamps, terms: Array, reach: int, out: Array) -> None:
    """Write the spline nodes at one position of the frame, `reach` from the middle.

    Parameters
    ----------
    nodes : (k, m, m)
        One grid per polynomial term.
    terms : (k,)
        Polynomial terms at the position.
    reach : nodes
        To either side of the middle; nodes beyond are not written.
    out : (m, m)
        Written.
    """
    size = nodes.shape[1]
    low, high = max(0, size // 2 - reach), min(size, size // 2 + reach + 1)
    # Loops over views that start at zero are what the compiler can vectorise.
    for m in range(low, high):
        target = out[m, low:high]
        first = nodes[0, m, low:high]
        for l in range(len(target)):
            target[l] = terms[0] * first[l]
        for k in range(1, len(terms)):
            factor = terms[k]
            source = nodes[k, m, low:high]
            for l in range(len(target)):
                target[l] += factor * source[l]


@compiled_sums
def lay(
    here: Array,
    along_y: Array,
    along_x: Array,
    base_y: int,
    base_x: int,
    step: int,
    radius: int,
    line: Array,
    out: Array,
) -> None:
    """Write the spline's value (or slope) on the pixels within `radius`.

    Parameters
    ----------
    here : (m, m)
        Nodes, as `combine_nodes` wrote them.
    along_y, along_x : (4,)
        Weights (or slopes) of the four nodes around a pixel's centre.
    base_y, base_x
        Second of the four nodes at the middle pixel.
    step
        Nodes per pixel.
    radius : pixels
        Half side of the stamp, minus the middle pixel.
    line : (m + 2 MARGIN,)
        Scratch space for a row of nodes and `MARGIN` on both sides.
    out : (2 radius + 1, 2 radius + 1)
        Written.
    """
    size = len(here)
    start = base_x - step * radius - 1
    stop = base_x + step * radius + 3
    low, high = max(0, start), min(size, stop)
    needed = line[MARGIN + start : MARGIN + stop]
    within = line[MARGIN + low : MARGIN + high]
    for j in range(2 * radius + 1):
        for l in range(len(needed)):
            needed[l] = 0.0
        for a in range(4):
            m = base_y + step * (j - radius) - 1 + a
            if 0 <= m < size:
                weight = along_y[a]
                source = here[m, low:high]
                for l in range(len(within)):
                    within[l] += weight * source[l]
        row = out[j]
        if step == 1:
            for i in range(2 * radius + 1):
                row[i] = (
                    along_x[0] * needed[i]
                    + along_x[1] * needed[i + 1]
                    + along_x[2] * needed[i + 2]
                    + along_x[3] * needed[i + 3]
                )
        else:
            for i in range(2 * radius + 1):
                at = step * i
                row[i] = (
                    along_x[0] * needed[at]
                    + along_x[1] * needed[at + 1]
                    + along_x[2] * needed[at + 2]
                    + along_x[3] * needed[at + 3]
                )


@compiled
def lay_all(nodes: Stamps, terms: Array, shift: Array, step: int, radius: int, out: Stamps) -> None:
    """Write the PSF of each star at its offset from the middle pixel.

    Parameters
    ----------
    nodes : (k, m, m)
        One grid per polynomial term.
    terms : (n, k)
        Polynomial terms at the stars' positions.
    shift : (n, 2), pixels
        Offsets (dy, dx).
    step
        Nodes per pixel.
    radius : pixels
        Half side of a stamp, minus the middle pixel.
    out : (n, 2 radius + 1, 2 radius + 1)
        Written.
    """
    size = nodes.shape[1]
    here, line = np.empty((size, size)), np.empty(size + 2 * MARGIN)
    wy, wx, slopes = np.empty(4), np.empty(4), np.empty(4)
    for i in range(len(terms)):
        at_y = size // 2 - step * shift[i, 0]
        at_x = size // 2 - step * shift[i, 1]
        base_y, base_x = int(np.floor(at_y)), int(np.floor(at_x))
        spline_weights(at_y - base_y, wy, slopes)
        spline_weights(at_x - base_x, wx, slopes)
        combine_nodes(nodes, terms[i], size, here)
        lay(here, wy, wx, base_y, base_x, step, radius, line, out[i])


@compiled_sums
def gather_all(  # noqa: C901  one loop, inlined for speed
    stamps: Stamps, terms: Array, shift: Array, step: int, squared: bool, out: Stamps
) -> None:
    """Add to `out` the transpose of `lay_all` applied to stamps.

    Parameters
    ----------
    stamps : (n, 2 radius + 1, 2 radius + 1)
        Values of the pixels.
    terms : (n, k)
        Polynomial terms at the stars' positions.
    shift : (n, 2), pixels
        Offsets (dy, dx).
    step
        Nodes per pixel.
    squared
        Whether all weights are squared: the diagonal of the normal matrix.
    out : (k, m, m)
        Added to.
    """
    radius, size = stamps.shape[1] // 2, out.shape[1]
    wy, wx, slopes = np.empty(4), np.empty(4), np.empty(4)
    here = np.empty((size, size))
    line = np.empty(size)
    for i in range(len(terms)):
        at_y = size // 2 - step * shift[i, 0]
        at_x = size // 2 - step * shift[i, 1]
        base_y, base_x = int(np.floor(at_y)), int(np.floor(at_x))
        spline_weights(at_y - base_y, wy, slopes)
        spline_weights(at_x - base_x, wx, slopes)
        if squared:
            wy[:] = wy * wy
            wx[:] = wx * wx
        here[:, :] = 0.0
        for j in range(-radius, radius + 1):
            line[:] = 0.0
            for c in range(-radius, radius + 1):
                value = stamps[i, radius + j, radius + c]
                for b in range(4):
                    l = base_x + step * c - 1 + b
                    if 0 <= l < size:
                        line[l] += wx[b] * value
            for a in range(4):
                m = base_y + step * j - 1 + a
                if 0 <= m < size:
                    for l in range(size):
                        here[m, l] += wy[a] * line[l]
        for k in range(terms.shape[1]):
            factor = terms[i, k] * terms[i, k] if squared else terms[i, k]
            for m in range(size):
                for l in range(size):
                    out[k, m, l] += factor * here[m, l]


@compiled
def add_star(image: Image, laid: Array, row: int, column: int, flux: float) -> None:
    """Add a star's stamp to the image, in place.

    Parameters
    ----------
    image : (ny, nx), electrons
        Changed in place.
    laid : (2 radius + 1, 2 radius + 1)
        The PSF on the star's pixels.
    row, column : pixels
        Middle of the stamp.
    flux : electrons
        Negative: the star is subtracted.
    """
    ny, nx = image.shape
    radius = len(laid) // 2
    for j in range(max(-radius, -row), min(radius, ny - 1 - row) + 1):
        for i in range(max(-radius, -column), min(radius, nx - 1 - column) + 1):
            image[row + j, column + i] += np.float32(flux * laid[radius + j, radius + i])


@compiled
def flux_at(
    image: Image,
    variance: Image,
    usable: NDArray[np.bool_],
    laid: Array,
    row: int,
    column: int,
    share: float,
    out: Array,
) -> None:
    """Write flux and error of a stamp around a pixel; NaN when it is hidden.

    Parameters
    ----------
    image, variance : (ny, nx), electrons; electrons squared
        Light, and its variance.
    usable : (ny, nx)
        True on pixels that count.
    laid : (2 radius + 1, 2 radius + 1)
        The PSF on the star's pixels.
    row, column : pixels
        Middle of the stamp.
    share
        Smallest share of the squared PSF on usable pixels.
    out : (2,), electrons
        Written: flux and its error.
    """
    ny, nx = image.shape
    radius = len(laid) // 2
    seen = total = light = spread = 0.0
    for j in range(-radius, radius + 1):
        for i in range(-radius, radius + 1):
            p = laid[radius + j, radius + i]
            total += p * p
            y, x = row + j, column + i
            if 0 <= y < ny and 0 <= x < nx and usable[y, x]:
                seen += p * p
                light += p * image[y, x]
                spread += p * p * variance[y, x]
    if seen > share * total:
        out[0] = light / seen
        out[1] = np.sqrt(spread) / seen
    else:
        out[0] = np.nan
        out[1] = np.nan


@compiled
def position_step(
    image: Image,
    variance: Image,
    usable: NDArray[np.bool_],
    laid: Array,
    slope_y: Array,
    slope_x: Array,
    row: int,
    column: int,
    flux: float,
    out: Array,
) -> bool:
    """Compute the Newton step (dy, dx) of a star's position.

    Pixels are weighted by the noise of sky and model together, which gives the least scatter.

    Parameters
    ----------
    image, variance : (ny, nx), electrons; electrons squared
        Light, and its variance.
    usable : (ny, nx)
        True on pixels that count.
    laid, slope_y, slope_x : (2 radius + 1, 2 radius + 1)
        The PSF on the star's pixels, and its derivatives by the position.
    row, column : pixels
        Middle of the stamp.
    flux : electrons
        Flux of the star.
    out : (2,), pixels
        Written: dy, dx.

    Returns
    -------
    is_known
        False where the pixels do not determine the position.
    """
    ny, nx = image.shape
    radius = len(laid) // 2
    ff = fy = fx = yy = yx = xx = rf = ry = rx = 0.0
    sky = np.inf  # a stamp's darkest pixel has hardly any light of its own
    for y in range(max(row - radius, 0), min(row + radius + 1, ny)):
        for x in range(max(column - radius, 0), min(column + radius + 1, nx)):
            if usable[y, x]:
                sky = min(sky, variance[y, x])
    for j in range(-radius, radius + 1):
        for i in range(-radius, radius + 1):
            y, x = row + j, column + i
            if not (0 <= y < ny and 0 <= x < nx and usable[y, x]):
                continue
            p = laid[radius + j, radius + i]
            w = 1 / (sky + max(flux * p, 0.0))
            gy, gx = (
                flux * slope_y[radius + j, radius + i],
                flux * slope_x[radius + j, radius + i],
            )
            left = image[y, x] - flux * p
            ff += w * p * p
            fy += w * p * gy
            fx += w * p * gx
            yy += w * gy * gy
            yx += w * gy * gx
            xx += w * gx * gx
            rf += w * p * left
            ry += w * gy * left
            rx += w * gx * left
    if not ff > 0:
        return False
    # The flux is eliminated; two unknowns are left.
    yy -= fy * fy / ff
    yx -= fy * fx / ff
    xx -= fx * fx / ff
    ry -= fy * rf / ff
    rx -= fx * rf / ff
    det = yy * xx - yx * yx
    if not det > 1e-6 * yy * xx:
        return False
    out[0] = (xx * ry - yx * rx) / det
    out[1] = (yy * rx - yx * ry) / det
    return True


@compiled
def fit_stars(  # noqa: PLR0915  one loop, inlined for speed
    image: Image,
    variance: Image,
    usable: NDArray[np.bool_],
    nodes: Array,
    terms: Array,
    step: int,
    radius: int,
    reach: int,
    steps: int,
    limit: float,
    share: float,
    subtract: bool,
    positions: Array,
    fluxes: Array,
) -> None:
    """Fit stars one after the other; `image` is left without them if `subtract`.

    Parameters
    ----------
    image : (ny, nx), electrons
        The data without the stars that were subtracted before.
    variance : (ny, nx), electrons squared
        Variance of the data.
    usable : (ny, nx)
        True on pixels that count.
    nodes : (k, m, m)
        PSF, one grid per polynomial term.
    terms : (n, k)
        Polynomial terms at the stars' positions.
    step
        Nodes per pixel.
    radius, reach : pixels
        Half sides of the stamps that are fitted and subtracted.
    steps
        Newton steps of the position; 0 keeps it.
    limit : pixels
        A star that would move further from its first position is reset to it.
    share
        Smallest share of the squared PSF on usable pixels; below it the flux is NaN.
    subtract
        Whether stars are subtracted from `image`.
    positions : (n, 4), pixels
        Row and column now, and at first; the former are changed.
    fluxes : (n, 2), electrons
        Flux and error. A flux above 0 on entry was subtracted from `image` before.
    """
    size = nodes.shape[1]
    here, line = np.empty((size, size)), np.empty(size + 2 * MARGIN)
    near = 2 * radius + 1
    laid, by, bx = (
        np.empty((near, near)),
        np.empty((near, near)),
        np.empty((near, near)),
    )
    whole = np.empty((2 * reach + 1, 2 * reach + 1))
    wy, wx, sy, sx = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    move = np.empty(2)
    for index in range(len(positions)):
        if not (np.isfinite(positions[index, 0]) and np.isfinite(positions[index, 1])):
            fluxes[index] = np.nan
            continue
        combine_nodes(nodes, terms[index], step * (max(radius, reach * subtract) + 2), here)
        y, x = positions[index, 0], positions[index, 1]
        row, column = round(y), round(x)
        at_y = size // 2 - step * (y - row)
        at_x = size // 2 - step * (x - column)
        base_y, base_x = int(np.floor(at_y)), int(np.floor(at_x))
        spline_weights(at_y - base_y, wy, sy)
        spline_weights(at_x - base_x, wx, sx)
        before = fluxes[index, 0]
        if subtract and before > 0:
            lay(here, wy, wx, base_y, base_x, step, reach, line, whole)
            add_star(image, whole, row, column, before)
        lay(here, wy, wx, base_y, base_x, step, radius, line, laid)
        flux_at(image, variance, usable, laid, row, column, share, fluxes[index])
        for _ in range(steps):
            flux = fluxes[index, 0]
            if not flux > 0:
                break
            lay(here, sy, wx, base_y, base_x, step, radius, line, by)
            lay(here, wy, sx, base_y, base_x, step, radius, line, bx)
            by *= -step
            bx *= -step
            known = position_step(image, variance, usable, laid, by, bx, row, column, flux, move)
            if known:
                y += min(max(move[0], -0.5), 0.5)
                x += min(max(move[1], -0.5), 0.5)
            far = np.hypot(y - positions[index, 2], x - positions[index, 3]) > limit
            if far or not known:
                y, x = positions[index, 2], positions[index, 3]
            row, column = round(y), round(x)
            at_y = size // 2 - step * (y - row)
            at_x = size // 2 - step * (x - column)
            base_y, base_x = int(np.floor(at_y)), int(np.floor(at_x))
            spline_weights(at_y - base_y, wy, sy)
            spline_weights(at_x - base_x, wx, sx)
            lay(here, wy, wx, base_y, base_x, step, radius, line, laid)
            flux_at(image, variance, usable, laid, row, column, share, fluxes[index])
            if far or not known or max(abs(move[0]), abs(move[1])) < 1e-3:
                break
        positions[index, 0], positions[index, 1] = y, x
        flux = fluxes[index, 0]
        if subtract and flux > 0:
            lay(here, wy, wx, base_y, base_x, step, reach, line, whole)
            add_star(image, whole, row, column, -flux)
