"""The quality of a frame: its measured numbers, and the limits it has to keep.

The limits themselves are declared in `frame_numbers`; those that need no other frame
(elongation, missing data) and those against the field's anchor (seeing, transparency,
astrometry) are checked together, so that a reason reads the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.numbers import reasons_and_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astrid_assets.science.errors import Reason
    from astrid_assets.science.settings import ProcessingSettings


@dataclass(frozen=True, kw_only=True)
class FrameQuality:
    """Numbers of one processed frame; the columns of its row in the catalogue.

    None where a number needs stars, a WCS or an anchor, and there is none. `others` are
    declared numbers that only their limits use, by name; NaN where one is unknown.
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
    others: Mapping[str, float] = field(default_factory=dict)

    def declared(self) -> dict[str, float | None]:
        """Return every declared number of a frame by its name.

        Returns
        -------
        values
            In the order of the declarations; None or NaN: not measured.
        """
        names = (number.name for number in FRAME_NUMBERS)
        return {
            name: self.others[name] if name in self.others else getattr(self, name, None)
            for name in names
        }


@dataclass(frozen=True, kw_only=True)
class FieldStandard:
    """The anchor's own numbers, against which a frame of its field is judged."""

    fwhm_px: float
    sky_rms_e: float
    exposure_s: float


def against_anchor(
    quality: FrameQuality, standard: FieldStandard, exposure_s: float
) -> FrameQuality:
    """Add the numbers that compare a frame with the anchor of its field.

    Parameters
    ----------
    quality
        The frame's measured numbers.
    standard
        The field's anchor.
    exposure_s : seconds
        Exposure time of the frame; 0 leaves the noise of the sky uncompared.

    Returns
    -------
    quality
        With `fwhm_ratio`, and `sky_rms_ratio` per square root of exposure.
    """
    others = {**quality.others, "fwhm_ratio": quality.fwhm_px / standard.fwhm_px}
    if exposure_s > 0:
        others["sky_rms_ratio"] = float(
            (quality.sky_rms_e / np.sqrt(exposure_s))
            / (standard.sky_rms_e / np.sqrt(standard.exposure_s))
        )
    return replace(quality, others=others)


def judge(quality: FrameQuality, settings: ProcessingSettings) -> tuple[list[Reason], list[Reason]]:
    """Check a frame against the declared limits: reasons to reject it, and flags.

    Parameters
    ----------
    quality
        The frame's measured numbers; those it lacks are not judged.
    settings
        The limits.

    Returns
    -------
    reasons, flags
        As `numbers.reasons_and_flags` gives them.
    """
    return reasons_and_flags(FRAME_NUMBERS, quality.declared(), settings)


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
        The limits.
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
    """Return how much of the way from best to limit is left, 0 to 1; NaN counts as none."""
    share = (limit - value) / (limit - best)
    return float(np.clip(share, 0, 1)) if np.isfinite(share) else 0.0
