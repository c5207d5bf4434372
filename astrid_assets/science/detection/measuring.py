"""Measuring what travels with a candidate's cutout; names and meanings are in `measurements`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.detection.measurements import as_columns
from astrid_assets.science.detection.peaks import disc, window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.detection.measurements import Measurements
    from astrid_assets.science.detection.peaks import Peaks
    from astrid_assets.science.detection.shapes import CandidateShapes, PointSource
    from astrid_assets.science.differencing.difference import Difference

NEAR_FWHM, FAR_FWHM = 1.5, 3.0
FAR_FROM_EDGE_FWHM = 30.0
"""Beyond, the edge no longer matters."""


def measurements_of(
    difference: Difference,
    peaks: Peaks,
    shapes: CandidateShapes,
    source: PointSource,
    on_frame: tuple[NDArray[np.float64], NDArray[np.float64]],
    noise_ratio: NDArray[np.float64],
    fwhm_px: float,
) -> Measurements:
    """Return the numbers of every peak, (n, len(`MEASUREMENTS`)).

    Parameters
    ----------
    difference : (ny, nx)
        Where the peaks were found.
    peaks : (n,)
        The candidates.
    shapes : (n,)
        Their shapes on the difference.
    source
        A point source on the difference.
    on_frame : (n,), (n,)
        What `shapes.fit_on_frame` gave: gain of few lit pixels and chi-square; not finite
        where nothing rose.
    noise_ratio : (n,)
        Noise around each peak over that of blank sky.
    fwhm_px : pixels
        FWHM of the science PSF.

    Returns
    -------
    measurements : (n, len(MEASUREMENTS))
        In the units that `MEASUREMENTS` names.
    """
    height = np.abs(peaks.score)
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = {
            "significance": np.log(height),
            "fwhm_ratio": shapes.fwhm_px / fwhm_px,
            "elongation": shapes.elongation,
            "size_ratio": shapes.size_ratio,
            "ellipticity": shapes.ellipticity,
            # Along the candidate's sign both are positive for a source.
            "aperture_ratio": shapes.aperture_flux / np.abs(peaks.flux),
            "aperture_error": shapes.aperture_flux_err / np.abs(peaks.flux),
            "sharp_gain": on_frame[0],
            "frame_chi2": on_frame[1],
            "opposite_near": _opposite(difference, peaks, NEAR_FWHM * fwhm_px) / height,
            "opposite_far": _opposite(difference, peaks, FAR_FWHM * fwhm_px) / height,
            "noise_ratio": noise_ratio,
            "psf_ratio": np.full(len(peaks), source.fwhm_px / fwhm_px),
            "fwhm_px": np.full(len(peaks), fwhm_px),
            "edge": np.minimum(_edge_px(difference, peaks) / fwhm_px, FAR_FROM_EDGE_FWHM),
        }
    return as_columns(numbers, len(peaks))


def _opposite(difference: Difference, peaks: Peaks, radius_px: float) -> NDArray[np.float64]:
    """Return the highest score of the other sign around each peak, at least 0."""
    around = disc(radius_px)
    near = window(difference.score, peaks.row, peaks.column, around.shape[0] // 2)[:, around]
    return np.maximum(-(near * peaks.sign[:, None]).min(axis=1), 0).astype(np.float64)


def _edge_px(difference: Difference, peaks: Peaks) -> NDArray[np.float64]:
    ny, nx = difference.score.shape
    return np.minimum.reduce([peaks.x, peaks.y, nx - 1 - peaks.x, ny - 1 - peaks.y])
