"""Residuals of stars after PSF subtraction, and the PSF over the frame.

Pure functions for storage and pictures; nothing here changes a PSF.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.psf.star_selection import MAX_PSF_STARS, choose_psf_stars
from astrid_assets.science.stars.point_sources import fit_point_sources, shifted_psfs
from astrid_assets.science.stars.shapes import cut_stamps, measure_star_shapes

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.frame import Frame, PsfModel
    from astrid_assets.science.stars.star_list import Stars

Array = NDArray[np.float64]

CORE_FWHM = 1.0
"""Radius of the core in FWHM: beyond it a star is fainter than 5 % of its peak."""

MAP_CELLS = 9


@dataclass(frozen=True)
class PsfResiduals:
    """Residuals of stars after the PSF is subtracted.

    Attributes
    ----------
    x, y : (n,), pixels
        Positions of the stars.
    snr : (n,)
        Their signal-to-noise ratios.
    over_peak : (n,)
        Root mean square of the core's pixels beyond their noise, as a share of the
        star's peak; 0 where noise explains all.
    mean_stamp : (m, m)
        Mean residual as a share of the peak: the error common to all stars.
    """

    x: Array
    y: Array
    snr: Array
    over_peak: Array
    mean_stamp: Image

    @property
    def typical(self) -> float:
        """Median share of the peak; NaN without stars."""
        return float(np.median(self.over_peak)) if len(self.over_peak) else np.nan


@dataclass(frozen=True)
class PsfMaps:
    """The PSF's shape on a grid: every array (cells, cells), rows along y.

    `fwhm_px` is the half-maximum width in pixels, `ellipticity` 1 - b/a, `angle_rad`
    the direction of the long axis from x towards y.
    """

    x: Array
    y: Array
    fwhm_px: Array
    ellipticity: Array
    angle_rad: Array


def psf_residuals(frame: Frame, psf: PsfModel, stars: Stars) -> PsfResiduals:
    """Subtract the PSF from bright, isolated, unsaturated stars.

    Parameters
    ----------
    frame
        Sky-subtracted, with a variance.
    psf
        PSF of the frame.
    stars
        Stars of the frame, with flags.

    Returns
    -------
    residuals
        Residuals of the stars that `choose_psf_stars` selects.

    Raises
    ------
    TooFewStars
        If fewer than `star_selection.MIN_PSF_STARS` are selected.
    ValueError
        If the frame has no variance.
    """
    if frame.variance is None:
        raise ValueError("residuals need a frame with a variance")
    chosen = choose_psf_stars(stars)
    usable = ((frame.mask & UNUSABLE) == 0) & np.isfinite(frame.data)
    found = fit_point_sources(frame, psf, stars.x, stars.y, usable=usable)
    index = _rows_of(chosen, stars)
    x, y, flux = found.x[index], found.y[index], found.flux[index]
    good = np.isfinite(flux) & (flux > 0)
    index, x, y, flux = index[good], x[good], y[good], flux[good]
    laid = shifted_psfs(psf, x, y)
    radius = psf.size // 2
    seen = cut_stamps(usable, x, y, radius).astype(bool)
    left = cut_stamps(found.residual, x, y, radius).astype(np.float64)
    variance = cut_stamps(frame.variance, x, y, radius, fill=1.0).astype(np.float64)
    # The data's own Poisson noise is that of the model where the star shines.
    peak = flux * laid.max(axis=(1, 2))
    span = np.arange(-radius, radius + 1)
    core = np.hypot(span[:, None], span[None, :]) <= max(CORE_FWHM * psf.fwhm_px, 1.5)
    counted = seen & core
    number = np.maximum(counted.sum(axis=(1, 2)), 1)
    excess = ((left**2 - variance) * counted).sum(axis=(1, 2)) / number
    weight = seen * (peak**2 / np.median(variance, axis=(1, 2)))[:, None, None]
    total = np.maximum(weight.sum(axis=0), 1e-30)
    mean = (weight * left / peak[:, None, None]).sum(axis=0) / total
    return PsfResiduals(
        x=x,
        y=y,
        snr=flux / found.flux_err[index],
        over_peak=np.sqrt(np.maximum(excess, 0)) / peak,
        mean_stamp=mean.astype(np.float32),
    )


def psf_maps(psf: PsfModel, cells: int = MAP_CELLS) -> PsfMaps:
    """Return FWHM, ellipticity and position angle of the PSF on a grid.

    Parameters
    ----------
    psf
        PSF of a frame.
    cells
        Along each axis.

    Returns
    -------
    maps
        At the middles of the cells.
    """
    ny, nx = psf.frame_shape
    y, x = np.meshgrid(
        (np.arange(cells) + 0.5) / cells * (ny - 1),
        (np.arange(cells) + 0.5) / cells * (nx - 1),
        indexing="ij",
    )
    fwhm, elongation, angle = (np.empty((cells, cells)) for _ in range(3))
    middle = _shape((nx - 1) / 2, (ny - 1) / 2, psf)
    for cell in np.ndindex(cells, cells):
        size, elongation[cell], angle[cell] = _shape(float(x[cell]), float(y[cell]), psf)
        # Moments see the wings; their ratio is that of the half-maximum widths.
        fwhm[cell] = psf.fwhm_px * size / middle[0]
    return PsfMaps(x, y, fwhm, 1 - 1 / elongation, angle)


def _shape(x: float, y: float, psf: PsfModel) -> tuple[float, float, float]:
    """Return FWHM of moments (in samples), elongation and angle at a position."""
    stamp = replace(psf, oversampling=1).at(x, y)
    middle = np.array([float(stamp.shape[0] // 2)])
    everywhere = np.ones(stamp.shape, dtype=bool)
    width = psf.fwhm_px * psf.oversampling
    shape = measure_star_shapes(stamp, everywhere, middle, middle, width)
    return (
        float(shape.fwhm_px[0]),
        float(shape.elongation[0]),
        float(shape.angle_rad[0]),
    )


def _rows_of(chosen: Stars, stars: Stars) -> NDArray[np.intp]:
    """Return the indices of the chosen stars in the list."""
    index = {pair: row for row, pair in enumerate(zip(stars.x, stars.y, strict=True))}
    pairs = zip(chosen.x, chosen.y, strict=True)
    return np.array([index[pair] for pair in pairs], dtype=np.intp)[:MAX_PSF_STARS]
