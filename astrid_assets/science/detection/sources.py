"""Detection: from a difference to its candidates, kept and rejected.

Both signs are searched. Nothing is dropped: a peak that fails a test is listed
with its reasons, so that users can see what was rejected and why.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.detection.candidate import Candidate
from astrid_assets.science.detection.filters import bits_near, failed_tests
from astrid_assets.science.detection.measuring import measurements_of
from astrid_assets.science.detection.peaks import Peaks, find_peaks, window
from astrid_assets.science.detection.shapes import (
    PointSource,
    fit_on_frame,
    measure_candidate_shapes,
)
from astrid_assets.science.errors import FrameRejected, ShapeMismatch
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.detection.measurements import Measurements
    from astrid_assets.science.detection.settings import DetectionSettings
    from astrid_assets.science.detection.shapes import CandidateShapes
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.frame import Frame, PsfModel

MAG_PER_RELATIVE_ERROR = 2.5 / np.log(10)
BLANK_SIGMA = 5.0  # of a pixel of the reference
BLANK_SHARE = 0.25  # of the source's: a fainter reference changes no shape
SAMPLE_PX = 100_000  # enough for a scatter to 0.3 %


def detect(difference: Difference, science: Frame, settings: DetectionSettings) -> list[Candidate]:
    """List the candidates of a difference, highest |score| first.

    Parameters
    ----------
    difference : (ny, nx), electrons
        Science minus reference.
    science : (ny, nx), electrons
        The frame that was subtracted from, with its PSF.
    settings
        Threshold, and limits of the tests.

    Returns
    -------
    candidates
        Kept and rejected ones; positions in pixels, fluxes in electrons.

    Raises
    ------
    ShapeMismatch
        If frame and difference differ in shape.
    FrameRejected
        ``unprocessed`` when the frame has no PSF.
    """
    if difference.score.shape != science.shape:
        raise ShapeMismatch(difference.score.shape, science.shape)
    if science.psf is None:
        raise FrameRejected(
            ReasonCode.UNPROCESSED, f"frame {science.frame_id} lacks a PSF: process it first"
        )
    fwhm_px = science.psf.fwhm_px
    peaks = find_peaks(
        difference.score,
        difference.flux,
        difference.flux_err,
        settings.threshold_sigma,
        radius_px=max(1, round(fwhm_px)),
    )
    if not len(peaks):
        return []
    # Around bright sources the noise is larger than on blank sky by this much.
    sky_noise, flux_noise = _typical_noise(difference)
    noise = sky_noise * np.maximum(peaks.flux_err / flux_noise, 1)
    source = PointSource.of(difference.psf_d, science.psf.centre)
    stamps = np.array([difference.psf_d_at(*at) for at in zip(peaks.x, peaks.y, strict=True)])
    # Photon noise of both images, in units of the noise of the difference's sky.
    science2, reference2 = difference.sky_rms_e**2, difference.reference_rms_e**2
    per_electron = sky_noise**2 / (science2 + reference2) * (1 + reference2 / science2)
    shapes = measure_candidate_shapes(difference, noise, peaks, source, stamps, per_electron)
    gain, chi2, n_pixels, is_blank = _fit_on_frame(difference, science, science.psf, peaks)
    # The filter of the difference amplifies errors of the PSF; the frame has no such filter.
    by_frame = is_blank | (chi2 > shapes.chi2)
    shapes = replace(
        shapes,
        sharp_gain=np.where(is_blank, np.maximum(shapes.sharp_gain, gain), shapes.sharp_gain),
        chi2=np.where(by_frame, chi2, shapes.chi2),
        n_pixels=np.where(by_frame, n_pixels, shapes.n_pixels),
    )
    reasons = failed_tests(peaks, shapes, difference, source, fwhm_px, settings)
    bits = bits_near(difference.mask, peaks, fwhm_px)
    measured = measurements_of(
        difference, peaks, shapes, source, (gain, chi2), noise / sky_noise, fwhm_px
    )
    return _candidates(difference, peaks, shapes, reasons, bits, measured)


def _candidates(
    difference: Difference,
    peaks: Peaks,
    shapes: CandidateShapes,
    reasons: NDArray[np.integer],
    bits: NDArray[np.integer],
    measured: Measurements,
) -> list[Candidate]:
    """Return what was measured and judged of each peak."""
    ra, dec = difference.wcs.all_pix2world(peaks.x, peaks.y, 0)
    return [
        Candidate(
            x=float(peaks.x[i]),
            y=float(peaks.y[i]),
            peak_x=int(peaks.column[i]),
            peak_y=int(peaks.row[i]),
            ra_deg=float(ra[i]),
            dec_deg=float(dec[i]),
            score=float(peaks.score[i]),
            flux_e=float(peaks.flux[i]),
            flux_err_e=float(peaks.flux_err[i]),
            aperture_flux_e=_or_none(peaks.sign * shapes.aperture_flux, i),
            aperture_flux_err_e=_or_none(shapes.aperture_flux_err, i),
            mag=_magnitude(difference.zero_point_mag, float(peaks.flux[i])),
            mag_err=_magnitude_error(difference.zero_point_mag, float(peaks.score[i])),
            fwhm_px=_or_none(shapes.fwhm_px, i),
            elongation=_or_none(shapes.elongation, i),
            mask_bits=int(bits[i]),
            reasons=int(reasons[i]),
            measurements=tuple(measured[i].tolist()),
        )
        for i in range(len(peaks))
    ]


def _fit_on_frame(
    difference: Difference, science: Frame, psf: PsfModel, peaks: Peaks
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, NDArray[np.bool_]]:
    """Fit brightenings on the science frame less the reference.

    Returns
    -------
    gain
        Chi-square by which a few lit pixels fit better than the PSF; -inf where nothing rose.
    chi2
        Reduced chi-square of the PSF; -inf where nothing rose.
    n_pixels
        Number of pixels in that fit.
    is_blank
        True for rises at positions where the reference is blank.
    """
    gain, chi2 = np.full(len(peaks), -np.inf), np.full(len(peaks), -np.inf)
    is_blank = np.zeros(len(peaks), dtype=np.bool_)
    chosen = np.flatnonzero(peaks.sign > 0)
    if not len(chosen):
        return gain, chi2, 1, is_blank
    rises = peaks.chosen(chosen)
    stamps = np.array([psf.at(*at) for at in zip(rises.x, rises.y, strict=True)])
    at = rises.row, rises.column
    light = window(science.data, *at, 1).max(axis=(1, 2))
    beneath = np.abs(window(difference.registered_reference, *at, 2)).max(axis=(1, 2))
    faint = np.maximum(BLANK_SIGMA * difference.reference_rms_e, BLANK_SHARE * light)
    gain[chosen], chi2[chosen], n_pixels = fit_on_frame(
        (science.data, difference.registered_reference, science.mask),
        rises,
        stamps,
        (science.sky_rms_e or difference.sky_rms_e, difference.reference_rms_e),
        psf.fwhm_px,
    )
    is_blank[chosen] = beneath < faint
    return gain, chi2, n_pixels, is_blank


def _typical_noise(difference: Difference) -> tuple[float, float]:
    """Return the scatter of `d` and the flux error on the frame's sky, from a sample."""
    step = max(1, int(np.sqrt(difference.d.size / SAMPLE_PX)))
    # Neighbours are not skipped along one axis only: rows may have their own noise.
    part = slice(None, None, step), slice(None, None, step)
    usable = (difference.mask[part] & UNUSABLE) == 0
    if not usable.any():
        part = slice(None), slice(None)
        usable = (difference.mask & UNUSABLE) == 0
    return (
        mad_sigma(difference.d[part][usable]),
        float(np.median(difference.flux_err[part][usable])),
    )


def _magnitude(zero_point_mag: float | None, flux: float) -> float | None:
    if zero_point_mag is None:
        return None
    return zero_point_mag - 2.5 * float(np.log10(abs(flux)))


def _magnitude_error(zero_point_mag: float | None, score: float) -> float | None:
    if zero_point_mag is None:
        return None
    return float(MAG_PER_RELATIVE_ERROR / abs(score))


def _or_none(values: NDArray[np.float64], i: int) -> float | None:
    return float(values[i]) if np.isfinite(values[i]) else None
