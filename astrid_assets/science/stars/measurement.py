"""Stars of a frame: found deep, measured for position, flux, size and shape.

Fields may contain eight stars or two thousand; sources that are not stars (galaxies,
blends, saturated cores) are kept with a flag, because astrometry can still use them.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.spatial import KDTree

from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.sky.background import measure_background
from astrid_assets.science.stars.finding import (
    bright_count,
    detect_peaks,
    half_sample_mode,
    typical_fwhm,
)
from astrid_assets.science.stars.point_sources import fit_point_sources, psf_flux
from astrid_assets.science.stars.shapes import StarShapes, cut_stamps, measure_star_shapes
from astrid_assets.science.stars.star_list import Stars

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.frame import Frame

MAX_STARS = 5000
"""PSF, astrometry and zero point gain nothing from more, and the catalogue of a
crowded field stays small; a list of exactly this length was cut."""

APERTURE_FWHM = 1.5
"""Radius of the aperture in FWHM: the flux inside hardly depends on the seeing."""

STRAY_FWHM = 0.4
"""A centroid this far from its peak, in FWHM, has moved to a neighbour."""

TIMID = 2
ROWS_FOR_FLOOR = 256
"""Rows from which the usual variance is measured."""

TRUSTED_SNR = 15.0
ISOLATION_FWHM = 2.5
BLEND_FLUX_FRACTION = 0.1
"""A neighbour with this share of the flux within the isolation radius is a blend."""

STAR_FWHM_RATIO = (0.75, 1.35)
"""FWHM over that of the stars: sharper is a cosmic ray, wider a galaxy."""

LOW_SNR_FREEDOM = 5.0
"""Adds freedom/(S/N) to the width of the stellar locus: faint shapes scatter."""

Array = NDArray[np.float64]


class StarFlag(IntFlag):
    """Bits of `Stars.flag`; zero is an isolated good star."""

    BLENDED = 1
    SATURATED = 2
    MASKED = 4
    UNSTARLIKE = 8


def measure_stars(
    frame: Frame, fwhm_px: float | None = None, *, max_stars: int = MAX_STARS
) -> Stars:
    """Find and measure the stars of a background-subtracted frame, brightest first.

    Fluxes are PSF fluxes where the frame has a PSF, else aperture sums within
    1.5 FWHM. Positions on the sky are filled when the frame has a WCS.

    Parameters
    ----------
    frame
        Sky-subtracted; without a variance the sky noise is measured here.
    fwhm_px : pixels
        Width of the stars where it is known already; saves a search.
    max_stars
        Only this many of the brightest are measured.

    Returns
    -------
    stars
        With positive flux; empty when nothing is found.

    Raises
    ------
    FrameRejected
        ``missing_data`` or ``constant``, if the noise of a frame without variance cannot be
        measured.
    """
    usable = ((frame.mask & UNUSABLE) == 0) & np.isfinite(frame.data)
    sigma = _sigma(frame, usable)
    data = np.ascontiguousarray(np.where(usable, frame.data, 0), dtype=np.float32)
    seen, unseen = _with_full_cores(frame, data, usable)
    known = fwhm_px or (frame.psf.fwhm_px if frame.psf else None)
    width = known or typical_fwhm(data, sigma, unseen)
    if width is None:
        return empty_stars()
    x, y, _ = detect_peaks(seen, sigma, unseen, width)
    x, y = x[:max_stars], y[:max_stars]
    if not len(x):
        return empty_stars()
    shapes, strayed = _shapes_at(data, usable, x, y, width)
    x, y = shapes.x, shapes.y
    flux, flux_err = _flux(frame, data, usable, sigma, x, y, width)
    stars = Stars(
        x=x,
        y=y,
        flux=flux,
        flux_err=flux_err,
        fwhm_px=shapes.fwhm_px * _fwhm_scale(frame),
        elongation=shapes.elongation,
        flag=np.where(strayed, StarFlag.BLENDED, 0).astype(np.int16),
        ra_deg=np.full(len(x), np.nan),
        dec_deg=np.full(len(x), np.nan),
    )
    return _finished(stars, frame, width)


def _shapes_at(
    data: Image, usable: NDArray[np.bool_], x: Array, y: Array, fwhm_px: float
) -> tuple[StarShapes, NDArray[np.bool_]]:
    """Measure the stars at peaks, and mark centroids that moved to a neighbour.

    These are measured again with so few iterations that the weight cannot grow, or stay at
    their peak; their sizes are meaningless.
    """
    shapes = measure_star_shapes(data, usable, x, y, fwhm_px)
    limit = STRAY_FWHM * fwhm_px
    strayed = ~(np.hypot(shapes.x - x, shapes.y - y) <= limit)
    px, py = x[strayed], y[strayed]
    timid = measure_star_shapes(data, usable, px, py, 0.8 * fwhm_px, iterations=TIMID)
    lost = ~(np.hypot(timid.x - px, timid.y - py) <= limit)
    found_x, found_y = shapes.x.copy(), shapes.y.copy()
    found_x[strayed] = np.where(lost, px, timid.x)
    found_y[strayed] = np.where(lost, py, timid.y)
    return replace(shapes, x=found_x, y=found_y), strayed


def with_psf_fluxes(stars: Stars, frame: Frame) -> Stars:
    """Measure known stars again, now with the frame's PSF and mask.

    Positions and fluxes become those of PSF fits with the neighbours subtracted,
    FWHM are converted to the PSF's half-maximum width, flags are set anew.

    Parameters
    ----------
    stars
        Stars of the frame.
    frame
        With its PSF and variance.

    Returns
    -------
    stars
        Those that still have a positive flux, brightest first.

    Raises
    ------
    ValueError
        If the frame has no PSF or no variance.
    """
    if frame.psf is None:
        raise ValueError(f"{frame.frame_id} has no PSF yet")
    found = fit_point_sources(frame, frame.psf, stars.x, stars.y)
    again = replace(
        stars,
        x=found.x,
        y=found.y,
        flux=found.flux,
        flux_err=found.flux_err,
        fwhm_px=stars.fwhm_px * _fwhm_scale(frame),
        flag=stars.flag & np.int16(StarFlag.BLENDED),
    )
    return _finished(again, frame, frame.psf.fwhm_px)


def _finished(stars: Stars, frame: Frame, fwhm_px: float) -> Stars:
    """Drop stars without flux, order and flag them, and add positions on the sky."""
    good = np.isfinite(stars.flux) & (stars.flux > 0) & np.isfinite(stars.fwhm_px)
    stars = select(stars, good)
    # Ties are broken by position, so that the order never depends on the platform.
    order = np.lexsort((stars.x, stars.y, -stars.flux))
    stars = _without_twins(select(stars, order), fwhm_px)
    return with_sky_positions(_flagged(stars, frame.mask, fwhm_px), frame.wcs)


def empty_stars() -> Stars:
    """Return a list without any star.

    Returns
    -------
    stars
        Arrays of length 0.
    """
    none = np.empty(0)
    return Stars(
        x=none,
        y=none,
        flux=none,
        flux_err=none,
        fwhm_px=none,
        elongation=none,
        flag=np.empty(0, dtype=np.int16),
        ra_deg=none,
        dec_deg=none,
    )


def select(stars: Stars, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Stars:
    """Return some of the stars.

    Parameters
    ----------
    stars
        A list of n stars.
    which : (n,) or (m,)
        True for the stars to keep, or their indices, or a slice.

    Returns
    -------
    stars
        Those stars, in the order of the indices.
    """
    return Stars(**{name: column[which] for name, column in vars(stars).items()})


def with_sky_positions(stars: Stars, wcs: WCS | None) -> Stars:
    """Fill right ascension and declination from a WCS; NaN without one.

    Parameters
    ----------
    stars
        With pixel positions.
    wcs
        WCS of their frame, for zero-based pixels; or None.

    Returns
    -------
    stars
        The same stars with `ra_deg` in 0..360 and `dec_deg`.
    """
    if wcs is None:
        nowhere = np.full(len(stars), np.nan)
        return replace(stars, ra_deg=nowhere, dec_deg=nowhere)
    if not len(stars):
        return stars
    ra, dec = wcs.all_pix2world(stars.x, stars.y, 0)
    return replace(stars, ra_deg=np.asarray(ra) % 360, dec_deg=np.asarray(dec))


def typical_shape(stars: Stars) -> tuple[float, float]:
    """Return FWHM and elongation a/b of the frame's bright stars.

    The mode of the FWHM and the median of the elongation over the brightest star-like
    sources: a few galaxies do not matter.

    Parameters
    ----------
    stars
        Stars of one frame, with flags.

    Returns
    -------
    fwhm_px : pixels
        NaN without any star.
    elongation
        Axis ratio, 1 for round stars; NaN without any star.
    """
    clean = select(stars, (stars.flag & ~StarFlag.UNSTARLIKE) == 0)
    clean = clean if len(clean) else select(stars, np.isfinite(stars.fwhm_px))
    if not len(clean):
        return float("nan"), float("nan")
    snr = clean.flux / np.maximum(clean.flux_err, 1e-9)
    # Where there are few stars, false ones at the limit would be half of them.
    if (snr > TRUSTED_SNR).any():
        clean, snr = select(clean, snr > TRUSTED_SNR), snr[snr > TRUSTED_SNR]
    bright = select(clean, np.argsort(-snr, kind="stable")[: bright_count(len(snr))])
    fwhm = half_sample_mode(bright.fwhm_px)
    near = np.abs(bright.fwhm_px / fwhm - 1) < 0.35
    # The mode of two stars that differ lies between them.
    alike = bright.elongation[near] if near.any() else bright.elongation
    return fwhm, float(np.median(alike))


def _with_full_cores(
    frame: Frame, data: Image, usable: NDArray[np.bool_]
) -> tuple[Image, NDArray[np.bool_]]:
    """Restore the counts of saturated cores: a star without its middle is a ring."""
    lost = int(UNUSABLE & ~MaskBit.SATURATED)
    unseen = ~usable & (((frame.mask & lost) != 0) | ~np.isfinite(frame.data))
    return np.where(usable | unseen, data, frame.data), unseen


def _sigma(frame: Frame, usable: NDArray[np.bool_]) -> Image:
    """Return the noise of the blank sky per pixel."""
    if frame.variance is None:
        return measure_background(frame.data, ~usable).rms
    # NaN counts as no light; saturated light has its noise like any other.
    sky = frame.variance - np.fmax(frame.data, 0)
    step = max(1, min(frame.shape) // ROWS_FOR_FLOOR)
    floor = np.median(frame.variance[::step]) * 0.04
    return np.sqrt(np.maximum(sky, floor)).astype(np.float32)


def _fwhm_scale(frame: Frame) -> float:
    """Return half-maximum FWHM over that of adaptive moments: 1 for a Gaussian PSF.

    Moments include the wings of a real PSF and are some ten per cent wider.
    """
    if frame.psf is None:
        return 1.0
    stamp, middle = frame.psf.centre, np.array([frame.psf.size // 2], dtype=float)
    everywhere = np.ones(stamp.shape, dtype=bool)
    shapes = measure_star_shapes(stamp, everywhere, middle, middle, frame.psf.fwhm_px)
    return float(frame.psf.fwhm_px / shapes.fwhm_px[0])


def _flux(
    frame: Frame,
    data: Image,
    usable: NDArray[np.bool_],
    sigma: Image,
    x: Array,
    y: Array,
    fwhm_px: float,
) -> tuple[Array, Array]:
    """Measure fluxes and their errors in electrons."""
    if frame.psf is not None:
        return psf_flux(frame, frame.psf, x, y)
    radius = max(APERTURE_FWHM * fwhm_px, 2.0)
    flux, err, _ = sep.sum_circle(data, x, y, radius, err=sigma, mask=~usable, subpix=5)
    poisson = np.maximum(flux, 0)
    return flux, np.sqrt(err**2 + poisson)


def _without_twins(stars: Stars, fwhm_px: float) -> Stars:
    """Drop fainter detections that moved onto a brighter one's centre."""
    pairs = KDTree(np.column_stack([stars.x, stars.y])).query_pairs(0.5 * fwhm_px)
    keep = np.ones(len(stars), dtype=bool)
    keep[[max(pair) for pair in pairs]] = False
    return select(stars, keep)


def _flagged(stars: Stars, mask: NDArray[np.uint16], fwhm_px: float) -> Stars:
    """Set the flags: blended, saturated, masked, not like a star."""
    flag = stars.flag.copy()
    points = np.column_stack([stars.x, stars.y])
    for first, second in KDTree(points).query_pairs(ISOLATION_FWHM * fwhm_px):
        bright, faint = min(first, second), max(first, second)
        flag[faint] |= StarFlag.BLENDED
        if stars.flux[faint] > BLEND_FLUX_FRACTION * stars.flux[bright]:
            flag[bright] |= StarFlag.BLENDED
    radius = int(np.ceil(fwhm_px))
    around = cut_stamps(mask, stars.x, stars.y, radius, fill=int(MaskBit.NO_DATA))
    core = np.bitwise_or.reduce(around.astype(np.uint16), axis=(1, 2))
    flag[(core & MaskBit.SATURATED) != 0] |= StarFlag.SATURATED
    flag[(core & (UNUSABLE & ~MaskBit.SATURATED)) != 0] |= StarFlag.MASKED
    flagged = replace(stars, flag=flag)
    typical, elongation = typical_shape(flagged)
    if not np.isfinite(typical):
        return flagged
    freedom = LOW_SNR_FREEDOM * stars.flux_err / stars.flux
    ratio = stars.fwhm_px / typical
    low, high = STAR_FWHM_RATIO
    unlike = (ratio < low - freedom) | (ratio > high + freedom)
    unlike |= stars.elongation > 1.3 * elongation + 2 * freedom
    return replace(
        flagged,
        flag=flag | np.where(unlike, np.int16(StarFlag.UNSTARLIKE), np.int16(0)),
    )
