"""Loops over pixels for the noise of the score."""

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
    """Write the largest ``min(flux_science, flux_reference)`` along each row's window, >= 0."""
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
    """Write the largest of each column's window."""
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

    The registration term is ``jitter2`` times the squared gradients of both images'
    fluxes, by central differences; `flux` becomes 0 where nothing is usable.
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
def spread(
    mask: NDArray[np.uint16],
    bit: np.uint16,
    reach: NDArray[np.int64],
    grown: NDArray[np.uint16],
) -> None:
    """Set a bit in `grown` wherever a disc around a pixel that has it in `mask` lies.

    `reach` is the half width of each row of the disc.
    """
    ny, nx = mask.shape
    r = len(reach) // 2
    for y in range(ny):
        # A sum without a way out is what the processor does sixteen at a time.
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
    """Write how far a pixel is from blank sky: 1 where the reference shows `sigma`.

    Or where errors beside photon noise make up the share `excess` of the variance.
    """
    for i in range(first, last):
        for j in range(out.shape[1]):
            error = flux_err[i, j]
            light = abs(flux_reference[i, j]) / (error * np.float32(sigma))
            more = (error * error / variance[i, j] - np.float32(1)) / np.float32(excess)
            out[i, j] = max(light, more)


@compiled
def every_set(where: NDArray[np.bool_], step: int) -> NDArray[np.intp]:
    """Return the flat places of the first set pixel and every `step`-th after it."""
    ny, nx = where.shape
    count = 0
    for i in range(ny):
        for j in range(nx):
            count += where[i, j]
    places = np.empty((count + step - 1) // step, np.intp)
    wait, found = 0, 0
    for i in range(ny):
        for j in range(nx):
            if where[i, j]:
                if wait == 0:
                    places[found] = i * nx + j
                    found += 1
                    wait = step
                wait -= 1
    return places
