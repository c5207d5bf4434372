"""Forced photometry: the flux at a given position on a difference.

The flux image of a difference is the PSF fit at every pixel centre; it is as smooth
as the PSF, so a cubic spline between its pixels is the fit at any position. A source
too faint for a detection still gets a flux with an error, and an upper limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.mask_bits import UNUSABLE

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask

Array = NDArray[np.float64]
MIN_HOLE_FRAMES = 4
HOLE_SIGMA = 3.0
MIN_DARK_SHARE = 0.8
"""Share of the frames that must show the hole: a cloud or cosmic ray hides it on others."""

MAX_HOLE_CHANGE = 0.1
"""Relative scatter of the depth, beyond the noise, due to seeing and flux ratios."""

REACH_PX = 6
"""Half side of the window of the spline: a pixel's weight falls by 0.27 per pixel."""


@dataclass(frozen=True)
class ForcedFluxes:
    """One value per position, shape (n,).

    `flux_e`, `flux_err_e` in electrons of the science frame, NaN outside the frame;
    `mask_bits` of the nearest pixel; `is_usable` where neither mask bits nor the border
    invalidate the flux.
    """

    flux_e: Array
    flux_err_e: Array
    mask_bits: NDArray[np.int64]
    is_usable: NDArray[np.bool_]


def forced_fluxes(score: Image, flux_err: Image, mask: Mask, x: Array, y: Array) -> ForcedFluxes:
    """Measure a difference at given positions.

    Parameters
    ----------
    score : (ny, nx), sigma
        Significance of a point source at every pixel (S_corr).
    flux_err : (ny, nx), electrons
        Error of its flux, by which `score` becomes a flux.
    mask : (ny, nx)
        Bits of the difference.
    x, y : (n,), pixels
        NaN or outside the frame gives NaN.

    Returns
    -------
    fluxes
        One per position.
    """
    ny, nx = score.shape
    n = len(x)
    out = ForcedFluxes(
        np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    )
    inside = np.isfinite(x) & np.isfinite(y)
    inside[inside] &= (
        (x[inside] >= -0.5)
        & (x[inside] <= nx - 0.5)
        & (y[inside] >= -0.5)
        & (y[inside] <= ny - 0.5)
    )
    for i in np.flatnonzero(inside):
        column = min(max(round(float(x[i])), 0), nx - 1)
        row = min(max(round(float(y[i])), 0), ny - 1)
        rows = slice(max(row - REACH_PX, 0), min(row + REACH_PX + 1, ny))
        columns = slice(max(column - REACH_PX, 0), min(column + REACH_PX + 1, nx))
        flux = score[rows, columns].astype(np.float64) * flux_err[rows, columns]
        position = [[y[i] - rows.start], [x[i] - columns.start]]
        out.flux_e[i] = map_coordinates(flux, position, order=3, mode="nearest")[0]
        out.flux_err_e[i] = flux_err[row, column]
        out.mask_bits[i] = int(mask[row, column])
        out.is_usable[i] = not int(mask[row, column]) & UNUSABLE
    return out


def is_persistent_hole(flux_e: Array, flux_err_e: Array) -> bool:
    """Return whether a position is dark on nearly every frame, by the same amount.

    A source that is in the reference and nowhere else leaves a hole of constant
    depth: something that had faded, or moved on, when the science frames were
    taken. A variable star's depth changes.

    Parameters
    ----------
    flux_e, flux_err_e : (n,), electrons
        Usable forced fluxes on one scale, one per frame.

    Returns
    -------
    is_hole
        False with fewer than four frames.
    """
    if len(flux_e) < MIN_HOLE_FRAMES:
        return False
    dark = flux_e < -HOLE_SIGMA * flux_err_e
    if np.mean(dark) < MIN_DARK_SHARE:
        return False
    depth = float(np.median(flux_e))
    scatter = mad_sigma(flux_e, depth)
    allowed = float(np.median(flux_err_e)) + MAX_HOLE_CHANGE * abs(depth)
    return scatter <= allowed
