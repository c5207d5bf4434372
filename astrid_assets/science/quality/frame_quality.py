"""What a frame is worth: its measured quality, and the limits it has to keep.

The limits themselves are declared in `frame_numbers`; those that need no other frame
(elongation, missing data) and those against the field's anchor (seeing, transparency,
astrometry) are checked together, so that a reason reads the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.numbers import reasons_and_flags

if TYPE_CHECKING:
    from astrid_assets.science.errors import Reason
    from astrid_assets.science.quality.noise_pattern import NoisePattern
    from astrid_assets.science.settings import ProcessingSettings


@dataclass(frozen=True, kw_only=True)
class FrameQuality:
    """Numbers of one processed frame; the columns of its row in the catalogue.

    None where a number needs stars, a WCS or an anchor that were not there.
    """

    n_stars: int
    fwhm_px: float
    elongation: float
    sky_level_e: float
    sky_rms_e: float
    bad_fraction: float
    zero_point_mag: float | None = None
    zero_point_scatter_mag: float | None = None
    transparency: float | None = None
    limiting_mag: float | None = None
    astrometric_rms_px: float | None = None
    n_matched: int | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    radius_deg: float | None = None
    area_deg2: float | None = None
    field_coverage: float | None = None
    quality_score: float | None = None


@dataclass(frozen=True, kw_only=True)
class FieldStandard:
    """The anchor's own numbers, against which a frame of its field is judged."""

    fwhm_px: float
    sky_rms_e: float
    exposure_s: float


def judge(
    quality: FrameQuality,
    settings: ProcessingSettings,
    *,
    pattern: NoisePattern | None = None,
    saturation_e: float = float("inf"),
    standard: FieldStandard | None = None,
    exposure_s: float = 0.0,
) -> tuple[list[Reason], list[Reason]]:
    """Check a frame against the declared limits: reasons to reject it, and flags.

    Parameters
    ----------
    quality
        The frame's measured numbers.
    settings
        Hold the limits.
    pattern
        Patterns in its noise, when measured; NaN where stars hid them.
    saturation_e : electrons
    standard
        The field's anchor; None: only what the frame itself shows is judged.
    exposure_s : seconds
        Exposure time of the frame; needed with a standard.

    Returns
    -------
    reasons, flags
        As `numbers.reasons_and_flags` gives them.
    """
    return reasons_and_flags(
        FRAME_NUMBERS,
        _values(quality, pattern, saturation_e, standard, exposure_s),
        settings,
    )


def quality_score(
    quality: FrameQuality, settings: ProcessingSettings, standard: FieldStandard | None
) -> float:
    """Return 0 (at the limits) to 1 (like the anchor): a weighted mean.

    Sharpness and transparency count most: they decide how deep a difference goes.

    Parameters
    ----------
    quality
        The frame's measured numbers.
    settings
        Hold the limits.
    standard
        The field's anchor; None: the frame is compared with itself.

    Returns
    -------
    score
        Between 0 and 1.
    """
    best = standard.fwhm_px if standard else quality.fwhm_px
    parts = [
        (3.0, _left(quality.fwhm_px / best, 1.0, settings.max_fwhm_ratio)),
        (2.0, _left(quality.elongation, 1.0, settings.max_elongation)),
        (2.0, _left(quality.bad_fraction, 0.0, settings.max_bad_fraction)),
    ]
    if quality.transparency is not None:
        lost = 1 - min(quality.transparency, 1.0)
        parts.append((3.0, _left(lost, 0.0, 1 - settings.min_transparency)))
    if quality.astrometric_rms_px is not None:
        limit = settings.max_astrometric_rms_px
        parts.append((1.0, _left(quality.astrometric_rms_px, 0.0, limit)))
    total = sum(weight for weight, _ in parts)
    return float(sum(weight * part for weight, part in parts) / total)


def _left(value: float, best: float, limit: float) -> float:
    """How much of the way from best to limit is left, 0 to 1; NaN counts as none."""
    share = (limit - value) / (limit - best)
    return float(np.clip(share, 0, 1)) if np.isfinite(share) else 0.0


def _values(
    quality: FrameQuality,
    pattern: NoisePattern | None,
    saturation_e: float,
    standard: FieldStandard | None,
    exposure_s: float,
) -> dict[str, float | None]:
    """Return what is judged, by the names of the declared numbers; None: unknown."""
    values: dict[str, float | None] = {
        "bad_fraction": quality.bad_fraction,
        "sky_fraction": quality.sky_level_e / saturation_e,
        "n_stars": quality.n_stars,
        "fwhm_px": quality.fwhm_px,
        "elongation": quality.elongation,
        "transparency": quality.transparency,
        "astrometric_rms_px": quality.astrometric_rms_px,
    }
    if pattern is not None:
        # A crowd may hide columns, rows, or all: NaN breaks no limit.
        values["line_noise"] = float(np.fmax(pattern.columns, pattern.rows))
        values["wave"] = pattern.wave
        values["ripple"] = pattern.ripple
    if standard is not None:
        values["fwhm_ratio"] = quality.fwhm_px / standard.fwhm_px
    if standard is not None and exposure_s > 0:
        values["sky_rms_ratio"] = float(
            (quality.sky_rms_e / np.sqrt(exposure_s))
            / (standard.sky_rms_e / np.sqrt(standard.exposure_s))
        )
    return values
