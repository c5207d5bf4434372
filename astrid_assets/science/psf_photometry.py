"""Fluxes of point sources: the least-squares amplitude of the PSF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.shapes import stamps

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame, Image
    from astrid_assets.science.psf import PsfModel

Array = NDArray[np.float64]
RADIUS_FWHM = 1.5
"""Pixels beyond it add noise and neighbours rather than signal."""

MIN_PSF_SHARE = 0.5
"""Less of the PSF on usable pixels than this: no flux (NaN)."""


def psf_flux(frame: Frame, psf: PsfModel, x: Array, y: Array) -> tuple[Array, Array]:
    """Return PSF fluxes and errors at given positions: (n,), (n,), electrons.

    The weights are those of the sky noise alone, so the flux of a bright star
    does not hang on its own Poisson noise; the errors count it.
    NaN where most of the star lies on unusable pixels.
    """
    radius = min(int(np.ceil(RADIUS_FWHM * psf.fwhm_px)) + 1, psf.size // 2)
    models = shifted_psfs(psf, x, y)
    middle = psf.size // 2
    cut = slice(middle - radius, middle + radius + 1)
    models = models[:, cut, cut]
    good = (frame.mask & UNUSABLE) == 0
    usable = stamps(good, x, y, radius).astype(bool)
    light = stamps(frame.data, x, y, radius).astype(np.float64)
    variance = frame.variance
    if variance is None:
        raise ValueError("PSF fluxes need a frame with a variance")
    spread = stamps(variance, x, y, radius, fill=1.0).astype(np.float64)
    weighted = np.where(usable, models, 0)
    norm = (weighted * models).sum(axis=(1, 2))
    total = (models * models).sum(axis=(1, 2))
    enough = norm > MIN_PSF_SHARE * total
    norm = np.where(enough, norm, np.nan)
    flux = (weighted * light).sum(axis=(1, 2)) / norm
    err = np.sqrt((weighted**2 * spread).sum(axis=(1, 2))) / norm
    return flux, err


def shifted_psfs(psf: PsfModel, x: Array, y: Array) -> Image:
    """Return the PSF at each position, moved to the star's place in its pixel.

    (n, size, size); the stamp's middle pixel is the one nearest the position.
    """
    out = np.empty((len(x), psf.size, psf.size), dtype=np.float32)
    for index, (column, row) in enumerate(zip(x, y, strict=True)):
        shift = (row - np.rint(row), column - np.rint(column))
        out[index] = shifted(psf.at(float(column), float(row)), shift)
    return out


def shifted(stamp: Image, shift: tuple[float, float]) -> Image:
    """Move a stamp by (dy, dx) pixels with a cubic spline; zero flows in."""
    moved = ndimage.shift(stamp, shift, order=3, mode="constant", prefilter=True)
    return np.asarray(moved, dtype=np.float32)
