"""Diagnostics of a processed frame, as plain values for storage and pictures.

Numbers that decide are in `quality.frame_quality`; here is what a reviewer looks at
when one of them is unusual: masks by bit, maps of PSF and residuals, the noise against
the prediction from gain and read noise. Computed from the products of the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.psf.residuals import psf_maps, psf_residuals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Mask
    from astrid_assets.science.astrometry.solution import Solution
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.photometry.zero_point import ZeroPoint
    from astrid_assets.science.processing.measuring import MeasuredFrame
    from astrid_assets.science.processing.solving import ProcessedFrame
    from astrid_assets.science.stars.star_list import Stars

CELLS = 5
"""Cells of the maps along each axis: a few hundred stars can fill so many."""

RESIDUAL_QUANTILE = 0.9
DIGITS = 4
Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class FrameDiagnostics:
    """Values stored of a frame beside its quality; None where they are not known.

    Attributes
    ----------
    astrometric_rms_x_px, astrometric_rms_y_px : pixels
    astrometric_rms_x_mas, astrometric_rms_y_mas : milliarcseconds
        Scatter of the bright matched stars along the frame's axes.
    wcs_kind
        Kind of map that the stars support: shift … cubic.
    zero_point_error_mag
        Standard error of the zero point against the anchor.
    psf_residual
        90th percentile over bright stars, after the PSF is subtracted, of the root mean
        square in the core beyond the noise, divided by the star's peak.
    noise_ratio
        Measured scatter of the sky over what gain and read noise predict.
    details
        Maps and counts, as plain values.
    """

    astrometric_rms_x_px: float | None = None
    astrometric_rms_y_px: float | None = None
    astrometric_rms_x_mas: float | None = None
    astrometric_rms_y_mas: float | None = None
    wcs_kind: str | None = None
    zero_point_error_mag: float | None = None
    psf_residual: float | None = None
    noise_ratio: float | None = None
    details: Json


def frame_diagnostics(processed: ProcessedFrame, measured: MeasuredFrame) -> FrameDiagnostics:
    """Collect the diagnostics of a frame, accepted or not.

    Parameters
    ----------
    processed
        The frame after it was solved against its anchor.
    measured
        The same frame before.

    Returns
    -------
    diagnostics
        Numbers, and maps as nested lists that JSON can represent.
    """
    frame = processed.frame
    psf, psf_residual = _psf_part(frame, measured.stars)
    details: Json = {
        "masked": masked_shares(frame.mask),
        "sky": {
            "level_e": _number(measured.sky_level_e),
            "rms_e": _number(measured.sky_rms_e),
            "gradient_e": _number(measured.sky_gradient_e),
        },
        "psf": psf,
    }
    solution, found = processed.solution, processed.zero_point
    rms = ((None, None), (None, None))
    if solution is not None:
        details["astrometry"] = _astrometry_part(solution, frame.shape)
        residuals = solution.residuals
        rms = _pair(residuals.rms_px), _pair(residuals.rms_mas)
    if found is not None:
        details["zero_point"] = _zero_point_part(found)
    return FrameDiagnostics(
        astrometric_rms_x_px=rms[0][0],
        astrometric_rms_y_px=rms[0][1],
        astrometric_rms_x_mas=rms[1][0],
        astrometric_rms_y_mas=rms[1][1],
        wcs_kind=None if solution is None else solution.kind,
        zero_point_error_mag=(None if found is None else _number(found.error_mag)),
        psf_residual=psf_residual,
        noise_ratio=_number(measured.noise_ratio),
        details=details,
    )


def masked_shares(mask: Mask) -> dict[str, float]:
    """Return the share of pixels under each mask bit that is set at all.

    Parameters
    ----------
    mask : (ny, nx)
        Bits of `mask_bits.MaskBit`.

    Returns
    -------
    shares
        0 to 1, by the bit's name in lower case.
    """
    counts = np.bincount(mask.ravel(), minlength=1)
    values = np.flatnonzero(counts)
    shares = {}
    for bit in MaskBit:
        number = int(counts[values[(values & int(bit)) != 0]].sum())
        if number:
            shares[str(bit.name).lower()] = round(number / mask.size, 6)
    return shares


def _psf_part(frame: Frame, stars: Stars) -> tuple[Json, float | None]:
    """Describe the PSF's shape over the frame, and its residuals on bright stars."""
    psf = frame.psf
    if psf is None:
        return {}, None
    maps = psf_maps(psf, CELLS)
    part: Json = {
        "n_stars": psf.n_stars,
        "terms": len(psf.coefficients),
        "fwhm_px": _grid(maps.fwhm_px),
        "ellipticity": _grid(maps.ellipticity),
        "angle_rad": _grid(maps.angle_rad),
    }
    try:
        left = psf_residuals(frame, psf, stars)
    except TooFewStars:
        return part, None
    if not len(left.over_peak):
        return part, None
    return part, _number(float(np.quantile(left.over_peak, RESIDUAL_QUANTILE)))


def _astrometry_part(solution: Solution, shape: tuple[int, int]) -> Json:
    grid = solution.residuals.grid(shape)
    return {
        "kind": solution.kind,
        "from_header": solution.from_header,
        "offset_px": _number(solution.offset_px),
        "matched": len(solution.match.ours),
        "dx_px": _grid(grid[:, :, 0]),
        "dy_px": _grid(grid[:, :, 1]),
        "stars": [[int(n) for n in row] for row in grid[:, :, 2]],
    }


def _zero_point_part(found: ZeroPoint) -> Json:
    field = found.field
    return {
        "stars": found.n_stars,
        "outliers": found.n_outliers,
        "scatter_mag": _number(found.scatter_mag),
        "gradient_mag": _number(field.gradient_mag),
        "gradient_sigma": _number(field.gradient_sigma),
        "departure_mag": _grid(field.grid_mag),
    }


def _grid(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [[_number(value) for value in row] for row in values]


def _pair(values: tuple[float, float]) -> tuple[float | None, float | None]:
    return _number(values[0]), _number(values[1])


def _number(value: float | None) -> float | None:
    """Return a number that JSON can represent: rounded to four digits, NaN as None."""
    if value is None or not np.isfinite(value):
        return None
    return float(f"{float(value):.{DIGITS}g}")
