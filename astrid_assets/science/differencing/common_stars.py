"""Common stars: the sources in both frames by which these are aligned and scaled.

Here they are chosen; the fit is in `star_fit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import sep

from astrid_assets.science.differencing.registered_psf import RegisteredPsf
from astrid_assets.science.differencing.star_fit import (
    CommonStars,
    Sources,
    Values,
    compare_stars,
)
from astrid_assets.science.errors import FrameRejected, TooFewStars
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.registration.resampling import fill_masked, missing_at, pixel_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.prepared import Prepared

DETECTION_SIGMA = 5.0  # per pixel
MAX_STARS = 80  # the brightest; more gain nothing
MIN_SNR = 10.0  # fainter sources have no useful position or flux


def measure_common_stars(science: Prepared, reference: Prepared, min_stars: int) -> CommonStars:
    """Measure flux ratio and residual offset; the result holds the final mapping.

    Parameters
    ----------
    science, reference
        Processed frames.
    min_stars
        How many stars must agree.

    Returns
    -------
    stars
        Positions in pixels of the science frame, the flux ratio F_n / F_r, and the mapping
        into the reference with the offset applied.

    Raises
    ------
    FrameRejected
        ``bad_wcs`` or ``no_overlap``.
    TooFewStars
        If fewer than `min_stars` agree.
    """
    mapping = pixel_mapping(science.wcs, reference.wcs, science.frame.shape)
    bad = missing_at(reference.bad, mapping) | science.bad
    if bad.all():
        raise FrameRejected(ReasonCode.NO_OVERLAP, "frame and reference share no good pixel")
    fwhm = max(science.psf.fwhm_px, reference.psf.fwhm_px)
    data = fill_masked(science.frame.data, science.bad)
    sources = find_sources(data, bad, science.sky_sigma, fwhm, margin_px=round(3 * fwhm) + 1)
    if len(sources.x) < min_stars:
        raise TooFewStars("flux ratio", len(sources.x), min_stars)
    stars = compare_stars(
        sources,
        data,
        reference.spline,
        mapping,
        science.psfs_at,
        RegisteredPsf(reference.psf, mapping).at,
        fwhm,
        reference.sky_sigma,
    )
    found = 0 if stars is None else len(stars)
    if stars is None or found < min_stars:
        raise TooFewStars("flux ratio", found, min_stars)
    return stars


def find_sources(
    image: Image, bad: NDArray[np.bool_], noise: float, fwhm_px: float, margin_px: int
) -> Sources:
    """Find sources that a stamp can be cut around, brightest first.

    Parameters
    ----------
    image : (ny, nx), electrons
        Background-subtracted, masked pixels filled.
    bad : (ny, nx)
        Pixels that no source may touch.
    noise : electrons per pixel
        Noise of blank sky.
    fwhm_px : pixels
        FWHM of the wider PSF.
    margin_px : pixels
        Distance kept from the edges.

    Returns
    -------
    sources : (n,)
        Positions in pixels and S/N, at most `MAX_STARS`.
    """
    found = sep.extract(
        np.ascontiguousarray(image),
        DETECTION_SIGMA,
        err=noise,
        mask=bad,
        minarea=5,
        deblend_cont=0.005,
    )
    x, y = found["x"].astype(float), found["y"].astype(float)
    ny, nx = image.shape
    snr = found["flux"] / (noise * np.sqrt(np.maximum(found["npix"], 1)))
    good = (
        (x > margin_px)
        & (x < nx - 1 - margin_px)
        & (y > margin_px)
        & (y < ny - 1 - margin_px)
        & (snr > MIN_SNR)
    )
    good[good] &= ~_touches(bad, x[good], y[good], 1.5 * fwhm_px)
    order = np.argsort(-snr[good], kind="stable")[:MAX_STARS]
    return Sources(x[good][order], y[good][order], snr[good][order])


def _touches(bad: NDArray[np.bool_], x: Values, y: Values, radius_px: float) -> NDArray[np.bool_]:
    """Return whether a square of this half side around each position holds a bad pixel."""
    r = max(1, round(radius_px))
    offsets = np.arange(-r, r + 1)
    ny, nx = bad.shape
    rows = np.clip(np.rint(y).astype(int)[:, None, None] + offsets[:, None], 0, ny - 1)
    columns = np.clip(np.rint(x).astype(int)[:, None, None] + offsets, 0, nx - 1)
    return np.asarray(bad[rows, columns].any(axis=(1, 2)))
