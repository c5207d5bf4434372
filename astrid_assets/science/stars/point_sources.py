"""Fluxes and positions of point sources: the least-squares fit of the PSF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.stars.stamp_kernels import fit_stars, lay_all

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.frame import Frame, PsfModel

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]
RADIUS_FWHM = 1.5
"""Pixels beyond it add noise and neighbours rather than signal."""

MIN_PSF_SHARE = 0.5
"""With a smaller share of the PSF on usable pixels the flux is NaN."""

POSITION_STEPS = 4
LIMIT_FWHM = 0.4
"""A fit that moves a star further has converged on a neighbour, or not at all."""

SWEEPS = 2
"""In the second every star is measured with all others subtracted."""


@dataclass(frozen=True)
class PointSources:
    """Fitted stars, ``(n,)`` each, and the data without them."""

    x: Array
    y: Array
    flux: Array
    flux_err: Array
    residual: Image


def psf_flux(frame: Frame, psf: PsfModel, x: Array, y: Array) -> tuple[Array, Array]:
    """Return PSF fluxes and errors at given positions, each star as if it were alone.

    The weights are those of the sky noise alone, so the flux of a bright star does not
    depend on its own Poisson noise; the errors include it.

    Parameters
    ----------
    frame
        Sky-subtracted, with a variance.
    psf
        PSF of the frame.
    x, y : (n,), pixels
        Positions, which are kept.

    Returns
    -------
    flux, flux_err : (n,), electrons
        NaN where most of the star lies on unusable pixels.

    Raises
    ------
    ValueError
        If the frame has no variance.
    """
    positions, fluxes = _positions(x, y), np.zeros((len(x), 2))
    _fit(frame, psf, frame.data, _usable(frame), positions, fluxes, steps=0, subtract=False)
    return fluxes[:, 0], fluxes[:, 1]


def fit_point_sources(
    frame: Frame,
    psf: PsfModel,
    x: Array,
    y: Array,
    *,
    sweeps: int = SWEEPS,
    position_steps: int = POSITION_STEPS,
    usable: Bool | None = None,
) -> PointSources:
    """Fit positions and fluxes of all stars, each with the others subtracted.

    Parameters
    ----------
    frame
        Sky-subtracted, with a variance.
    psf
        PSF of the frame.
    x, y : (n,), pixels
        Brightest first: a faint one is measured when its neighbour is subtracted.
    sweeps
        Number of passes over all stars.
    position_steps
        Newton steps of the position per sweep; 0 keeps the positions.
    usable : (ny, nx), optional
        Pixels that count; by default those of the mask.

    Returns
    -------
    sources
        Positions, fluxes and errors, and the data without the stars.

    Raises
    ------
    ValueError
        If the frame has no variance.

    References
    ----------
    Stetson 1987, PASP 99, 191 (DAOPHOT); each star in turn instead of groups.
    """
    positions, fluxes = _positions(x, y), np.zeros((len(x), 2))
    usable = _usable(frame) if usable is None else usable
    residual = np.where(usable, frame.data, np.float32(0))
    for _ in range(sweeps):
        _fit(frame, psf, residual, usable, positions, fluxes, steps=position_steps, subtract=True)
    return PointSources(
        positions[:, 1].copy(),
        positions[:, 0].copy(),
        fluxes[:, 0].copy(),
        fluxes[:, 1].copy(),
        residual,
    )


def shifted_psfs(psf: PsfModel, x: Array, y: Array) -> Image:
    """Return the PSF at each position, shifted to the star's position in its pixel.

    Parameters
    ----------
    psf
        PSF of the frame.
    x, y : (n,), pixels
        Positions of the stars.

    Returns
    -------
    stamps : (n, size, size)
        The middle pixel is the one nearest the position; about unit sum.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    shift = np.column_stack([y - np.rint(y), x - np.rint(x)])
    out = np.empty((len(x), psf.size, psf.size))
    lay_all(psf.spline_nodes(), psf.terms_at(x, y), shift, psf.oversampling, psf.size // 2, out)
    return out.astype(np.float32)


def _positions(x: Array, y: Array) -> Array:
    return np.column_stack([y, x, y, x]).astype(np.float64)


def _usable(frame: Frame) -> Bool:
    return ((frame.mask & UNUSABLE) == 0) & np.isfinite(frame.data)


def _fit(
    frame: Frame,
    psf: PsfModel,
    image: Image,
    usable: Bool,
    positions: Array,
    fluxes: Array,
    *,
    steps: int,
    subtract: bool,
) -> None:
    """Fit `positions` and `fluxes` in place, and subtract the stars from `image`."""
    if frame.variance is None:
        raise ValueError("PSF fluxes need a frame with a variance")
    radius = min(int(np.ceil(RADIUS_FWHM * psf.fwhm_px)) + 1, psf.size // 2)
    fit_stars(
        image,
        frame.variance,
        usable,
        psf.spline_nodes(),
        psf.terms_at(positions[:, 1], positions[:, 0]),
        psf.oversampling,
        radius,
        psf.size // 2,
        steps,
        LIMIT_FWHM * psf.fwhm_px,
        MIN_PSF_SHARE,
        subtract,
        positions,
        fluxes,
    )
