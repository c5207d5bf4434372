"""Tests of candidates: which peaks are no point source on the sky.

Each test is one function from measurements to "fails"; `failed_tests` collects
their bits. A test on a measured shape fails only beyond the error of the shape.
The measurements themselves are in `shapes` and `peaks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from astrid_assets.science.detection.candidate import RejectReason
from astrid_assets.science.detection.peaks import Peaks, disc, window
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.detection.settings import DetectionSettings
    from astrid_assets.science.detection.shapes import CandidateShapes, PointSource
    from astrid_assets.science.differencing.difference import Difference

Fails = NDArray[np.bool_]

CHI2_SIGMA = 5.0  # of chi-square's own scatter


def failed_tests(
    peaks: Peaks,
    shapes: CandidateShapes,
    difference: Difference,
    source: PointSource,
    fwhm_px: float,
    settings: DetectionSettings,
) -> NDArray[np.int64]:
    """Return the `RejectReason` bits of every peak.

    Parameters
    ----------
    peaks : (n,)
        The candidates.
    shapes : (n,)
        Their measurements.
    difference : (ny, nx), electrons
        Science minus reference.
    source
        A point source on the difference image.
    fwhm_px : pixels
        FWHM of the science PSF.
    settings
        Limits of the tests.

    Returns
    -------
    reasons : (n,)
        0: kept.
    """
    bits = window(difference.mask, peaks.row, peaks.column, round(fwhm_px))
    near = bits[:, disc(round(fwhm_px))].astype(np.int64)
    at_peak = difference.mask[peaks.row, peaks.column]
    tests = {
        RejectReason.DIPOLE: is_dipole(difference.score, peaks, fwhm_px, settings),
        RejectReason.COSMIC_RAY: is_sharp(shapes, source, settings),
        RejectReason.TRAIL: (near & MaskBit.TRAIL).any(axis=1),
        RejectReason.HALO: (at_peak & (MaskBit.HALO | MaskBit.SPIKE)) != 0,
        RejectReason.EDGE: (at_peak & MaskBit.EDGE) != 0,
        RejectReason.MASKED: ((near & UNUSABLE) != 0).mean(axis=1) > settings.max_masked_fraction,
        RejectReason.SHAPE: ~peaks.is_summit | is_misshapen(shapes, source, settings),
        RejectReason.REFERENCE_HOLE: is_over_hole(difference, peaks, fwhm_px, settings),
        RejectReason.BAD_FIT: is_badly_fitted(peaks, shapes, settings),
    }
    reasons = np.zeros(len(peaks), dtype=np.int64)
    for reason, fails in tests.items():
        reasons[fails] |= int(reason)
    crowd = is_crowded(peaks, reasons == 0, fwhm_px, settings)
    reasons[crowd] |= int(RejectReason.OVERDENSITY)
    return reasons


def is_crowded(peaks: Peaks, kept: Fails, fwhm_px: float, settings: DetectionSettings) -> Fails:
    """Test whether too many candidates that pass all other tests lie close together.

    Parameters
    ----------
    peaks : (n,)
        The candidates.
    kept : (n,)
        Whether they pass all other tests.
    fwhm_px : pixels
        FWHM of the science PSF.
    settings
        Limits of the tests.

    Returns
    -------
    fails : (n,)
        True where the test fails.
    """
    crowd = np.zeros(len(peaks), dtype=bool)
    if np.count_nonzero(kept) < settings.overdensity_count:
        return crowd
    positions = np.column_stack([peaks.x, peaks.y])[kept]
    radius = settings.overdensity_radius_fwhm * fwhm_px
    counts = KDTree(positions).query_ball_point(positions, radius, return_length=True)
    crowd[kept] = np.asarray(counts) >= settings.overdensity_count
    return crowd


def bits_near(mask: Mask, peaks: Peaks, radius_px: float) -> NDArray[np.int64]:
    """Return the union of the mask bits within a radius of each peak.

    Parameters
    ----------
    mask : (ny, nx)
        Bits of `MaskBit`.
    peaks : (n,)
        The candidates.
    radius_px : pixels
        The radius.

    Returns
    -------
    bits : (n,)
        Union of the `MaskBit` bits.
    """
    around = disc(radius_px)
    cut = window(mask, peaks.row, peaks.column, around.shape[0] // 2)
    return np.bitwise_or.reduce(cut[:, around].astype(np.int64), axis=1)


def is_dipole(score: Image, peaks: Peaks, fwhm_px: float, settings: DetectionSettings) -> Fails:
    """Test whether a significant lobe of the other sign lies beside the peak.

    Parameters
    ----------
    score : (ny, nx), sigma
        S_corr.
    peaks : (n,)
        The candidates.
    fwhm_px : pixels
        FWHM of the science PSF.
    settings
        Limits of the tests.

    Returns
    -------
    fails : (n,)
        True where the test fails.
    """
    around = disc(settings.dipole_radius_fwhm * fwhm_px)
    near = window(score, peaks.row, peaks.column, around.shape[0] // 2)[:, around]
    opposite = -(near * peaks.sign[:, None]).min(axis=1)
    needed = np.maximum(
        settings.dipole_flux_fraction * np.abs(peaks.score), settings.dipole_min_sigma
    )
    return opposite >= needed


def is_sharp(shapes: CandidateShapes, source: PointSource, settings: DetectionSettings) -> Fails:
    """Test whether a few pixels fit better than the PSF, or the candidate is too narrow.

    Parameters
    ----------
    shapes : (n,)
        Their measurements.
    source
        A point source on the difference image.
    settings
        Limits of the tests.

    Returns
    -------
    fails : (n,)
        True where the test fails.
    """
    narrowest = source.size_ratio_of(settings.min_fwhm_ratio)
    upper = shapes.size_ratio + settings.shape_sigma * shapes.size_error
    return (shapes.sharp_gain > settings.sharp_delta_chi2) | (upper < narrowest)


def is_misshapen(
    shapes: CandidateShapes, source: PointSource, settings: DetectionSettings
) -> Fails:
    """Test whether the candidate is wider or longer than allowed, beyond its errors.

    Parameters
    ----------
    shapes : (n,)
        Their measurements.
    source
        A point source on the difference image.
    settings
        Limits of the tests.

    Returns
    -------
    fails : (n,)
        True where the test fails.
    """
    widest = source.size_ratio_of(settings.max_fwhm_ratio)
    lower = shapes.size_ratio - settings.shape_sigma * shapes.size_error
    longest = source.ellipticity_of(settings.max_elongation)
    least = shapes.ellipticity - settings.shape_sigma * shapes.ellipticity_error
    return (lower > widest) | (least > longest)


def is_badly_fitted(peaks: Peaks, shapes: CandidateShapes, settings: DetectionSettings) -> Fails:
    """Test whether the fit of the PSF leaves more than noise and a tolerated mismatch.

    Parameters
    ----------
    peaks : (n,)
        The candidates.
    shapes : (n,)
        Their measurements.
    settings
        Limits of the tests.

    Returns
    -------
    fails : (n,)
        True where the test fails.
    """
    scatter = CHI2_SIGMA * np.sqrt(2 / shapes.n_pixels)
    mismatch = (settings.fit_tolerance * peaks.score) ** 2 / shapes.n_pixels
    return shapes.chi2 > 1 + scatter + mismatch


def is_over_hole(
    difference: Difference, peaks: Peaks, fwhm_px: float, settings: DetectionSettings
) -> Fails:
    """Test whether a brightening is due to a hole in the reference.

    Parameters
    ----------
    difference : (ny, nx), electrons
        Science minus reference.
    peaks : (n,)
        The candidates.
    fwhm_px : pixels
        FWHM of the science PSF.
    settings
        Limits of the tests.

    Returns
    -------
    fails : (n,)
        True where the test fails.
    """
    around = disc(fwhm_px / 2)
    cut = window(
        difference.registered_reference,
        peaks.row,
        peaks.column,
        around.shape[0] // 2,
    )[:, around]
    noise = difference.reference_rms_e * max(difference.noise_factor, 1.0) * np.sqrt(around.sum())
    depth = -cut.sum(axis=1)
    return (peaks.sign > 0) & (depth > settings.hole_sigma * noise)
