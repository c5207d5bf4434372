"""Loops over pixels for the noise of the score.

What the terms are and how large is decided in `noise`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image


@compiled
def smaller_of_both(
    flux_science: Image, flux_reference: Image, out: Image, half: int, first: int, last: int
) -> None:
    """Write the largest ``min(flux_science, flux_reference)`` along each row.

    Within a window around each pixel, and at least 0.

    Parameters
    ----------
    flux_science, flux_reference : (ny, nx)
        PSF fluxes of either image.
    out : (ny, nx)
        Receives the result.
    half : pixels
        Half width of the window.
    first, last
        The rows to work on, `last` not included.
    """
    nx = out.shape[1]
    line = np.zeros(nx + 2 * half, dtype=np.float32)
    for i in range(first, last):
        for j in range(nx):
            line[j + half] = max(min(flux_science[i, j], flux_reference[i, j]), np.float32(0))
        for j in range(nx):
            out[i, j] = line[j]
        for k in range(1, 2 * half + 1):
            for j in range(nx):
                out[i, j] = max(out[i, j], line[j + k])


@compiled
def highest_of_columns(rows: Image, out: Image, half: int, first: int, last: int) -> None:
    """Write the largest value of each column's window.

    Parameters
    ----------
    rows : (ny, nx)
        As `smaller_of_both` writes them.
    out : (ny, nx)
        Receives the result.
    half : pixels
        Half height of the window.
    first, last
        The rows to work on, `last` not included.
    """
    ny, nx = rows.shape
    for i in range(first, last):
        low, high = max(i - half, 0), min(i + half, ny - 1)
        for j in range(nx):
            out[i, j] = rows[low, j]
        for k in range(low + 1, high + 1):
            for j in range(nx):
                out[i, j] = max(out[i, j], rows[k, j])


@compiled
def score_rows(
    flux: Image,
    flux_science: Image,
    flux_reference: Image,
    variance: Image,
    static: Image,
    usable: NDArray[np.bool_],
    jitter2: float,
    error2: float,
    flux_err: Image,
    score: Image,
    first: int,
    last: int,
) -> None:
    """Add registration and PSF errors to the variance; write error and score.

    The registration term is ``jitter2`` times the squared gradients of both images' fluxes,
    by central differences; `flux` becomes 0 where nothing is usable.

    Parameters
    ----------
    flux : (ny, nx), electrons
        PSF flux of the change, changed in place.
    flux_science, flux_reference : (ny, nx)
        PSF fluxes of either image.
    variance : (ny, nx), electrons squared
        Variance of the flux, photon noise alone.
    static : (ny, nx), electrons
        Flux present in both images, spread over a PSF.
    usable : (ny, nx)
        True where a pixel may be used.
    jitter2 : pixels squared
        Registration scatter per axis, squared.
    error2
        PSF error, squared.
    flux_err, score : (ny, nx)
        Receive error and significance.
    first, last
        The rows to work on, `last` not included.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 25, 30 and 32.
    """
    ny, nx = flux.shape
    j2, e2 = np.float32(jitter2), np.float32(error2)
    for i in range(first, last):
        up, down = max(i - 1, 0), min(i + 1, ny - 1)
        dy = np.float32(1.0 / (down - up))
        for j in range(nx):
            left, right = max(j - 1, 0), min(j + 1, nx - 1)
            dx = np.float32(1.0 / (right - left))
            ny_ = (flux_science[down, j] - flux_science[up, j]) * dy
            nx_ = (flux_science[i, right] - flux_science[i, left]) * dx
            ry_ = (flux_reference[down, j] - flux_reference[up, j]) * dy
            rx_ = (flux_reference[i, right] - flux_reference[i, left]) * dx
            slopes = (ny_ * ny_ + nx_ * nx_) + (ry_ * ry_ + rx_ * rx_)
            s = static[i, j]
            error = np.sqrt(variance[i, j] + j2 * slopes + e2 * s * s)
            flux_err[i, j] = error
            if usable[i, j]:
                score[i, j] = flux[i, j] / error
            else:
                flux[i, j] = np.float32(0)
                score[i, j] = np.float32(0)


@compiled
def spread_bit(
    mask: NDArray[np.uint16],
    bit: np.uint16,
    reach: NDArray[np.int64],
    grown: NDArray[np.uint16],
) -> None:
    """Set a bit in `grown` within a disc around each pixel that has it in `mask`.

    Parameters
    ----------
    mask : (ny, nx)
        Where the bit is looked up.
    bit
        The bit.
    reach : (2 r + 1,), pixels
        Half width of each row of the disc.
    grown : (ny, nx)
        Receives the bit.
    """
    ny, nx = mask.shape
    r = len(reach) // 2
    for y in range(ny):
        # A sum without an early exit is vectorised, sixteen pixels at a time.
        found = np.uint16(0)
        for x in range(nx):
            found |= mask[y, x]
        if not found & bit:
            continue
        x = 0
        while x < nx:
            if not mask[y, x] & bit:
                x += 1
                continue
            end = x + 1
            while end < nx and mask[y, end] & bit:
                end += 1
            for row in range(max(y - r, 0), min(y + r + 1, ny)):
                half = reach[row - y + r]
                for column in range(max(x - half, 0), min(end + half, nx)):
                    grown[row, column] |= bit
            x = end + 1


@compiled
def shown_rows(
    flux_reference: Image,
    flux_err: Image,
    variance: Image,
    sigma: float,
    excess: float,
    out: Image,
    first: int,
    last: int,
) -> None:
    """Write how close a pixel comes to not being blank sky: 1 at either limit.

    The first limit is a source in the reference, the second the share of the variance that
    errors beside photon noise make up.

    Parameters
    ----------
    flux_reference, flux_err : (ny, nx), electrons
        PSF flux of the reference, and the error of the change.
    variance : (ny, nx), electrons squared
        Photon noise of the change.
    sigma
        Significance in the reference that gives 1.
    excess
        Share of the variance that gives 1.
    out : (ny, nx)
        Receives the larger of both.
    first, last
        The rows to work on, `last` not included.
    """
    for i in range(first, last):
        for j in range(out.shape[1]):
            error = flux_err[i, j]
            light = abs(flux_reference[i, j]) / (error * np.float32(sigma))
            more = (error * error / variance[i, j] - np.float32(1)) / np.float32(excess)
            out[i, j] = max(light, more)


@compiled
def every_set(where: NDArray[np.bool_], step: int) -> NDArray[np.intp]:
    """Return the flat positions of every `step`-th set pixel, the first included.

    Parameters
    ----------
    where : (ny, nx)
        True for set pixels.
    step
        How many set pixels lie between two returned ones, plus 1.

    Returns
    -------
    indices : (n,)
        Into the flattened image.
    """
    ny, nx = where.shape
    count = 0
    for i in range(ny):
        for j in range(nx):
            count += where[i, j]
    indices = np.empty((count + step - 1) // step, np.intp)
    wait, found = 0, 0
    for i in range(ny):
        for j in range(nx):
            if where[i, j]:
                if wait == 0:
                    indices[found] = i * nx + j
                    found += 1
                    wait = step
                wait -= 1
    return indices
