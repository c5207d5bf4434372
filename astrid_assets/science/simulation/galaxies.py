"""Painting galaxies: sums of Gaussians, blurred by the position-dependent PSF.

Gaussians of at least `SMALLEST_SIGMA_PX` are band-limited on the pixel grid, so the
discrete convolution with a pixel-integrated PSF is exact wherever between the pixels
a galaxy lies: dithered frames subtract cleanly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from astrid_assets.science.simulation.painting import CHUNK_PIXELS, add_stamp

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.frame import PsfModel
    from astrid_assets.science.simulation.catalogue import GalaxyCatalogue
    from astrid_assets.science.simulation.point_spread import Array

# Least-squares sums of Gaussians of unit flux, sigma in half-light radii: an
# exponential disk (to 2 % between 0.2 and 3 radii) and a Sersic profile of n = 2.5.
DISK = ((0.12, 0.007), (0.28, 0.0543), (0.55, 0.2524), (0.95, 0.4418), (1.5, 0.2445))
BULGE = ((0.1, 0.0667), (0.25, 0.0963), (0.5, 0.2687), (1.0, 0.2), (1.8, 0.3683))

SMALLEST_SIGMA_PX = 0.8
REACH_SIGMA = 4.0


def paint_galaxies(
    image: Image,
    x: Array,
    y: Array,
    galaxies: GalaxyCatalogue,
    psf: PsfModel,
    transparency: float,
) -> None:
    """Add all galaxies at their pixels of this frame, in place.

    Parameters
    ----------
    image : (ny, nx), electrons
        Changed in place.
    x, y : (n,), pixels
        Positions of the galaxies on this frame.
    galaxies
        Their fluxes and shapes.
    psf
        PSF of the frame, at most quadratic in the position.
    transparency
        Fraction of the light that comes through.

    Raises
    ------
    ValueError
        If the PSF has no coefficients.
    """
    pad = psf.size // 2 + 1
    ny, nx = image.shape
    sharp = np.zeros((ny + 2 * pad, nx + 2 * pad), np.float32)
    _paint_gaussians(sharp, x + pad, y + pad, galaxies, transparency)
    blurred = _convolve(sharp, psf, pad)
    image += blurred[pad : pad + ny, pad : pad + nx]


def surface_brightness_e(
    galaxies: GalaxyCatalogue, i: int, distance_px: float, psf_sigma_px: float
) -> float:
    """Return the surface brightness of a galaxy at a distance, as if it were round.

    Parameters
    ----------
    galaxies
        The catalogue.
    i
        Index of the galaxy.
    distance_px : pixels
        Distance from its centre.
    psf_sigma_px : pixels
        Sigma of a Gaussian PSF.

    Returns
    -------
    brightness : electrons per pixel
        In a clear exposure.
    """
    total = 0.0
    bulge = galaxies.bulge_fraction[i]
    for profile, share in ((DISK, 1 - bulge), (BULGE, bulge)):
        for sigma_re, weight in profile:
            variance = (sigma_re * galaxies.radius_px[i]) ** 2 + psf_sigma_px**2
            peak = galaxies.flux_e[i] * share * weight / (2 * np.pi * variance)
            total += peak * np.exp(-(distance_px**2) / (2 * variance))
    return float(total)


def _paint_gaussians(
    image: Image,
    x: Array,
    y: Array,
    galaxies: GalaxyCatalogue,
    transparency: float,
) -> None:
    """Add all Gaussians of all galaxies, those of one stamp size together."""
    radius, q = galaxies.radius_px, galaxies.axis_ratio
    # The bulge is rounder than the disk.
    parts = (
        (DISK, q, 1 - galaxies.bulge_fraction),
        (BULGE, (1 + q) / 2, galaxies.bulge_fraction),
    )
    majors, minors, peaks = [], [], []
    for profile, ratio, share in parts:
        for sigma_re, weight in profile:
            # The same area at every axis ratio.
            major = np.maximum(sigma_re * radius / np.sqrt(ratio), SMALLEST_SIGMA_PX)
            minor = np.maximum(sigma_re * radius * np.sqrt(ratio), SMALLEST_SIGMA_PX)
            flux = galaxies.flux_e * transparency * share * weight
            majors.append(major)
            minors.append(minor)
            peaks.append(flux / (2 * np.pi * major * minor))
    number = np.tile(np.arange(x.size), len(majors))
    major, minor = np.concatenate(majors), np.concatenate(minors)
    peak = np.concatenate(peaks)
    c, s = np.cos(galaxies.angle_rad)[number], np.sin(galaxies.angle_rad)[number]
    column, row = np.rint(x).astype(int)[number], np.rint(y).astype(int)[number]
    form = np.stack(
        [
            c * c / major**2 + s * s / minor**2,
            2 * c * s * (1 / major**2 - 1 / minor**2),
            s * s / major**2 + c * c / minor**2,
        ]
    ).astype(np.float32)
    offset = np.stack([x[number] - column, y[number] - row]).astype(np.float32)
    half = np.ceil(REACH_SIGMA * major).astype(int)
    for size in np.unique(half):
        members = np.flatnonzero(half == size)
        grid = np.arange(-size, size + 1, dtype=np.float32)
        step = max(1, CHUNK_PIXELS // grid.size**2)
        for start in range(0, members.size, step):
            m = members[start : start + step]
            dx = (grid[None, :] - offset[0, m, None])[:, None, :]
            dy = (grid[None, :] - offset[1, m, None])[:, :, None]
            xx, xy, yy = form[:, m, None, None]
            stamps = np.exp(np.float32(-0.5) * (dx * (xx * dx + xy * dy) + yy * dy * dy))
            stamps *= peak[m].astype(np.float32)[:, None, None]
            for stamp, at_x, at_y in zip(stamps, column[m], row[m], strict=True):
                add_stamp(image, stamp, int(at_x), int(at_y))


def _convolve(image: Image, psf: PsfModel, pad: int) -> Image:
    """Convolve with a PSF that is a polynomial of the position of the source."""
    shape = [fft.next_fast_len(n + psf.size, real=True) for n in image.shape]
    ny, nx = psf.frame_shape
    u = (2 * (np.arange(image.shape[1]) - pad) / max(nx - 1, 1) - 1).astype(np.float32)
    v = (2 * (np.arange(image.shape[0]) - pad) / max(ny - 1, 1) - 1).astype(np.float32)
    one = np.float32(1)
    factors = ((one, one), (one, u), (v, one), (one, u * u), (v, u), (v * v, one))
    total: np.ndarray | None = None
    for coefficients, (of_v, of_u) in zip(psf.coefficients, factors, strict=False):
        weighted = image * np.atleast_1d(of_v)[:, None] * np.atleast_1d(of_u)[None, :]
        spectrum = np.asarray(fft.rfft2(weighted, shape))
        product = spectrum * np.asarray(fft.rfft2(coefficients, shape))
        total = product if total is None else total + product
    if total is None:
        raise ValueError("the PSF has no coefficients")
    half = psf.size // 2
    blurred = np.asarray(fft.irfft2(total, shape))
    return blurred[half : half + image.shape[0], half : half + image.shape[1]]
