"""What a frame is worth: its measured quality, and the limits it has to keep.

Limits that need no other frame (elongation, missing data, bright sky) are judged
with those against the field's anchor (seeing, transparency, astrometry) in one
place, so that a reason reads the same wherever it arises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.errors import Reason

if TYPE_CHECKING:
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
    """Hold a frame against the limits: reasons to reject it, and flags.

    Parameters
    ----------
    pattern
        Patterns in its noise, when measured; NaN where stars hid them.
    saturation_e : electrons
    standard
        The field's anchor; None judges only what the frame itself tells.
    exposure_s : seconds
        Of the frame; needed with a standard.
    """
    reasons: list[Reason] = []
    flags: list[Reason] = []
    _judge_detector(quality, settings, pattern, saturation_e, reasons, flags)
    _judge_stars(quality, settings, standard, reasons, flags)
    if quality.transparency is not None:
        low = quality.transparency < settings.min_transparency
        _note(
            reasons,
            low,
            "low_transparency",
            f"only {quality.transparency:.0%} of the light of the field's anchor "
            f"came through, {settings.min_transparency:.0%} needed",
            transparency=quality.transparency,
            limit=settings.min_transparency,
        )
    rms = quality.astrometric_rms_px
    if rms is not None:
        _note(
            reasons,
            rms > settings.max_astrometric_rms_px,
            "bad_astrometry",
            f"matched stars scatter by {rms:.2f} px, at most "
            f"{settings.max_astrometric_rms_px:.2f} px allowed",
            rms_px=rms,
            limit=settings.max_astrometric_rms_px,
        )
    if standard is not None and exposure_s > 0:
        ratio = (quality.sky_rms_e / np.sqrt(exposure_s)) / (
            standard.sky_rms_e / np.sqrt(standard.exposure_s)
        )
        _note(
            flags,
            ratio > settings.flag_sky_rms_ratio,
            "bright_sky",
            f"the sky is {ratio:.1f} times as noisy as in the field's anchor",
            ratio=float(ratio),
            limit=settings.flag_sky_rms_ratio,
        )
    return reasons, flags


def quality_score(
    quality: FrameQuality, settings: ProcessingSettings, standard: FieldStandard | None
) -> float:
    """Return 0 (at the limits) to 1 (like the anchor): a weighted mean.

    Sharpness and transparency count most: they decide how deep a difference goes.
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


def _judge_detector(
    quality: FrameQuality,
    settings: ProcessingSettings,
    pattern: NoisePattern | None,
    saturation_e: float,
    reasons: list[Reason],
    flags: list[Reason],
) -> None:
    """Missing data, bright sky, noise that is not white."""
    _note(
        reasons,
        quality.bad_fraction > settings.max_bad_fraction,
        "missing_data",
        f"{quality.bad_fraction:.0%} of the pixels are unusable, at most "
        f"{settings.max_bad_fraction:.0%} allowed",
        bad_fraction=quality.bad_fraction,
        limit=settings.max_bad_fraction,
    )
    fill = quality.sky_level_e / saturation_e
    _note(
        reasons,
        fill > settings.max_sky_fraction,
        "bright_sky",
        f"the sky fills the pixels to {fill:.0%} of saturation, at most "
        f"{settings.max_sky_fraction:.0%} allowed",
        sky_fraction=fill,
        limit=settings.max_sky_fraction,
    )
    if pattern is None:
        return
    # A crowd may hide columns, rows, or all: NaN breaks no limit.
    worst = float(np.fmax(pattern.columns, pattern.rows))
    failed = worst > settings.max_noise_pattern
    _note(
        reasons,
        failed,
        "readout_noise",
        f"means of columns or rows scatter {worst:.1f} times as much as white noise: "
        "an amplifier or the readout failed",
        pattern=worst,
        limit=settings.max_noise_pattern,
    )
    wave = pattern.wave
    _note(
        reasons,
        wave > settings.max_wave,
        "readout_noise",
        f"a wave of {wave:.2f} times the noise lies over the frame, at most "
        f"{settings.max_wave:.2f} allowed: electrical pickup",
        wave=wave,
        limit=settings.max_wave,
    )
    failed |= wave > settings.max_wave
    is_wavy = settings.flag_wave < wave
    _note(
        flags,
        is_wavy and not failed,
        "readout_noise",
        f"a wave of {wave:.2f} times the noise lies over the frame: pickup",
        wave=wave,
        limit=settings.flag_wave,
    )
    _note(
        flags,
        not (failed or is_wavy) and pattern.ripple > settings.flag_noise_pattern,
        "readout_noise",
        f"strips of 16 pixels scatter {pattern.ripple:.2f} times as much as white "
        "noise: electrical pickup or banding",
        ripple=pattern.ripple,
        limit=settings.flag_noise_pattern,
    )


def _judge_stars(
    quality: FrameQuality,
    settings: ProcessingSettings,
    standard: FieldStandard | None,
    reasons: list[Reason],
    flags: list[Reason],
) -> None:
    """Number, width and roundness of the stars."""
    _note(
        reasons,
        quality.n_stars < settings.min_stars,
        "too_few_stars",
        f"{quality.n_stars} stars, {settings.min_stars} needed",
        n_stars=quality.n_stars,
        limit=settings.min_stars,
    )
    ratio = quality.fwhm_px / standard.fwhm_px if standard else 1.0
    out = quality.fwhm_px > settings.max_fwhm_px or ratio > settings.max_fwhm_ratio
    _note(
        reasons,
        out,
        "defocused",
        f"stars are {quality.fwhm_px:.1f} px wide, {ratio:.1f} times those of the "
        f"field's anchor; at most {settings.max_fwhm_px:.1f} px and "
        f"{settings.max_fwhm_ratio:.1f} times allowed",
        fwhm_px=quality.fwhm_px,
        ratio=ratio,
        limit=settings.max_fwhm_ratio,
    )
    long = quality.elongation > settings.max_elongation
    # Trailing widens stars too, and the air is not to blame for it.
    _note(
        flags,
        ratio > settings.poor_seeing_ratio and not (out or long),
        "poor_seeing",
        f"stars are {quality.fwhm_px:.1f} px wide, {ratio:.1f} times those of the field's anchor",
        fwhm_px=quality.fwhm_px,
        ratio=ratio,
        limit=settings.poor_seeing_ratio,
    )
    message = f"stars are {quality.elongation:.2f} times as long as wide: trailed"
    _note(
        reasons,
        long,
        "elongated_stars",
        f"{message}; at most {settings.max_elongation:.2f} allowed",
        elongation=quality.elongation,
        limit=settings.max_elongation,
    )
    _note(
        flags,
        quality.elongation > settings.flag_elongation and not long,
        "elongated_stars",
        f"{message} or badly guided",
        elongation=quality.elongation,
        limit=settings.flag_elongation,
    )


def _note(notes: list[Reason], is_so: bool, code: str, message: str, **numbers: float) -> None:
    """Add a reason when it applies."""
    if is_so:
        notes.append(Reason(code, message, {name: float(v) for name, v in numbers.items()}))
