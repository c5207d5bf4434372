"""Noise beyond photons: registration and PSF errors, and how noisy blank sky is.

Each term is a variance image that is added to the matched filter's. Nothing here
divides a measured scatter out of the score.

References
----------
Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, sections 3.3 and 3.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation, maximum_filter

from astrid_assets.science.mask_bits import UNUSABLE, MaskBit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.frame import Image, Mask

MAD_TO_SIGMA = 1.4826
BRIGHT_SIGMA = 50.0  # a PSF error of 1 % is half a sigma on such a star
PSF_ERROR_PERCENTILE = 75  # of the stars; variable ones are rarer than a quarter
MIN_BRIGHT_STARS = 3
BLANK_SIGMA = 3.0  # static sources below it do not touch the scatter
MIN_BLANK_FRACTION = 0.2  # in crowded fields the emptiest fifth counts as blank
GOOD_GROWTH = MaskBit.COSMIC_RAY | MaskBit.BAD
WIDE_GROWTH = MaskBit.SATURATED | MaskBit.TRAIL | MaskBit.NO_DATA


def robust_sigma(values: NDArray[np.floating]) -> float:
    """Return 1.4826 times the median absolute deviation."""
    return float(MAD_TO_SIGMA * np.median(np.abs(values - np.median(values))))


def sky_sigma(variance: Image, usable: NDArray[np.bool_]) -> float:
    """Return the noise of blank sky that a variance image states.

    Half the pixels of any field that can be subtracted are sky or nearly so; the
    30th percentile is sky in crowded ones too and equals it in empty ones.
    """
    return float(np.sqrt(np.percentile(variance[usable], 30)))


def astrometric_variance(
    flux_new: Image, flux_ref: Image, new_px: float, ref_px: float
) -> Image:
    """Variance of the PSF flux from registration scatter (eqs. 30-33), per axis."""
    total = np.zeros_like(flux_new)
    for flux, sigma in ((flux_new, new_px), (flux_ref, ref_px)):
        by_y, by_x = np.gradient(flux)
        total += np.float32(sigma**2) * (by_x**2 + by_y**2)
    return total


def static_flux(flux_new: Image, flux_ref: Image, fwhm_px: float) -> Image:
    """Flux of sources present in both images, spread over the size of a PSF.

    The smaller of the two, so that a source in one image only is no static one.
    """
    size = 2 * round(fwhm_px) + 1
    both = np.maximum(np.minimum(flux_new, flux_ref), 0)
    return np.asarray(maximum_filter(both, size=size), dtype=np.float32)


def psf_error(
    flux: Image,
    flux_ref: Image,
    variance: Image,
    unusable: NDArray[np.bool_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    fwhm_px: float,
) -> float | None:
    """Measure what bright stars leave behind, relative to their flux.

    For each star the rms residual within one FWHM, photon noise taken off in
    quadrature, over the star's flux; of these the upper quartile.

    Returns
    -------
    error
        None when fewer than three stars are bright enough.
    """
    radius = max(1, round(fwhm_px))
    dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = np.hypot(dx, dy) <= fwhm_px
    dy, dx = dy[disc], dx[disc]
    ny, nx = flux.shape
    xi, yi = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (xi >= radius) & (xi < nx - radius) & (yi >= radius) & (yi < ny - radius)
    rows, columns = yi[inside, None] + dy, xi[inside, None] + dx
    peak = flux_ref[rows, columns].max(axis=1)
    noise2 = variance[rows, columns].mean(axis=1)
    bright = (peak > BRIGHT_SIGMA * np.sqrt(noise2)) & ~unusable[rows, columns].any(
        axis=1
    )
    if bright.sum() < MIN_BRIGHT_STARS:
        return None
    excess = (flux[rows, columns] ** 2).mean(axis=1) - noise2
    relative = np.sqrt(np.maximum(excess[bright], 0)) / peak[bright]
    return float(np.percentile(relative, PSF_ERROR_PERCENTILE))


def blank_sky(
    flux_ref: Image, flux_err: Image, usable: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Pixels where neither mask nor reference shows anything."""
    significance = np.abs(flux_ref / flux_err)
    limit = max(
        BLANK_SIGMA, float(np.quantile(significance[usable], MIN_BLANK_FRACTION))
    )
    return usable & (significance <= limit)


def grow_mask(mask: Mask, radius_px: float) -> Mask:
    """Spread unusable bits over what they spoil; the other bits stay as they are."""
    grown = mask.copy()
    for bit in MaskBit:
        if not bit & UNUSABLE:
            continue
        plane = (mask & bit) != 0
        if not plane.any():
            continue
        radius = radius_px if bit & WIDE_GROWTH else radius_px / 2
        grown[_dilate(plane, radius)] |= np.uint16(bit)
    return grown


def _dilate(plane: NDArray[np.bool_], radius_px: float) -> NDArray[np.bool_]:
    r = max(1, int(np.ceil(radius_px)))
    dy, dx = np.mgrid[-r : r + 1, -r : r + 1]
    disc = np.hypot(dx, dy) <= max(radius_px, 1.0)
    return np.asarray(binary_dilation(plane, structure=disc), dtype=np.bool_)
