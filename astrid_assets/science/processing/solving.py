"""From a measured frame to a processed one: its WCS and its zero point.

The chain of a night: measure every frame by itself (`measure_frame`), choose or load the
anchor of the field (`anchor_rank`, `make_anchor`), then solve every frame against it
(`solve_frame`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from astrid_assets.science.astrometry.solution import Solution, solve_wcs
from astrid_assets.science.astrometry.wcs_tools import footprint, overlap, share_covered
from astrid_assets.science.errors import FrameRejected, Reason, TooFewStars
from astrid_assets.science.photometry.zero_point import ZeroPoint, limiting_mag, zero_point
from astrid_assets.science.quality.frame_quality import (
    FieldStandard,
    FrameQuality,
    against_anchor,
    judge,
    quality_score,
)
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.stars.measurement import select, with_sky_positions

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.processing.anchor import Anchor
    from astrid_assets.science.processing.measuring import MeasuredFrame
    from astrid_assets.science.settings import ProcessingSettings
    from astrid_assets.science.stars.star_list import Stars


log = logging.getLogger(__name__)
LARGE_OFFSET_PX = 10.0
"""A header whose WCS is off by more than this is flagged, though it was corrected."""


@dataclass(frozen=True, kw_only=True)
class ProcessedFrame:
    """A frame in its field's system; usable for subtraction when `reasons` is empty.

    `frame` has the verified or solved WCS and its zero point where they were
    found; `stars` have positions on the sky; `quality` holds the numbers.
    `solution` records how the WCS was found and its residuals, `zero_point` the zero
    point with its scatter; None where they were not found.
    """

    frame: Frame
    stars: Stars
    quality: FrameQuality
    solution: Solution | None = None
    zero_point: ZeroPoint | None = None
    reasons: tuple[Reason, ...] = ()
    flags: tuple[Reason, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether no limit is broken."""
        return not self.reasons


def solve_frame(
    measured: MeasuredFrame, anchor: Anchor, settings: ProcessingSettings
) -> ProcessedFrame:
    """Give a measured frame its WCS and zero point, and check it against all limits.

    Never raises for what the data show: a frame that cannot be solved is returned
    with its reasons.

    Parameters
    ----------
    measured
        The frame with its stars.
    anchor
        Anchor of the frame's field and band.
    settings
        Whether the header's WCS is used, and the limits.

    Returns
    -------
    processed
        With WCS and zero point where they were found; accepted without reasons.
    """
    frame = measured.frame
    standard = FieldStandard(
        fwhm_px=anchor.fwhm_px,
        sky_rms_e=anchor.sky_rms_e,
        exposure_s=anchor.exposure_s,
    )
    header = frame.wcs if settings.wcs == "header" else None
    try:
        solution = solve_wcs(measured.stars, header, anchor.stars, anchor.wcs, frame.shape)
        _require_overlap(solution, anchor, frame.shape, settings)
    except FrameRejected as error:
        lost = replace(frame, wcs=None, zero_point_mag=None)
        return _judged(
            measured, lost, measured.quality, standard, settings, (_unplaced(error, measured),), ()
        )
    frame = replace(frame, wcs=solution.wcs)
    extra: tuple[Reason, ...] = ()
    flags = _pointing_flags(solution, header is not None)
    quality = replace(
        measured.quality,
        astrometric_rms_px=solution.match.rms_px,
        n_matched=len(solution.match.ours),
    )
    found: ZeroPoint | None = None
    try:
        found = _zero_point(measured, anchor, solution)
        frame, quality = _with_zero_point(frame, quality, found, anchor)
        flags = (*flags, *_cloud_flags(found))
    except TooFewStars as error:
        extra = (error.reason,)
    judged = _judged(
        measured, frame, _placed(quality, frame, anchor), standard, settings, extra, flags
    )
    return replace(judged, solution=solution, zero_point=found)


def _require_overlap(
    solution: Solution, anchor: Anchor, shape: tuple[int, int], settings: ProcessingSettings
) -> None:
    """Reject a frame matched by patterns alone that covers too little of its field.

    Raises
    ------
    FrameRejected
        `wrong_field`.
    """
    if solution.from_header:
        return
    share = overlap(solution.wcs, shape, anchor.wcs, anchor.shape)
    if share < settings.min_overlap:
        raise FrameRejected(
            ReasonCode.WRONG_FIELD,
            f"the stars show another piece of sky: the frame covers {share:.0%} of "
            f"its field, {settings.min_overlap:.0%} needed",
            overlap=share,
            limit=settings.min_overlap,
            matched=len(solution.match.ours),
        )


def _unplaced(error: FrameRejected, measured: MeasuredFrame) -> Reason:
    """Return why a frame has no WCS; bad stars do not mean that it is another field."""
    if error.code == "wrong_field" and measured.reasons:
        text = "the stars are too damaged to be matched with those of the field"
        return Reason(ReasonCode.BAD_ASTROMETRY, text, dict(error.measurements))
    return error.reason


def _zero_point(measured: MeasuredFrame, anchor: Anchor, solution: Solution) -> ZeroPoint:
    """Compare the frame's fluxes with the anchor's."""
    match = solution.match
    return zero_point(
        select(measured.stars, match.ours),
        select(anchor.stars, match.theirs),
        anchor.zero_point_mag,
        measured.frame.shape,
    )


def _with_zero_point(
    frame: Frame, quality: FrameQuality, found: ZeroPoint, anchor: Anchor
) -> tuple[Frame, FrameQuality]:
    """Scale the frame's magnitudes to the anchor's."""
    frame = replace(frame, zero_point_mag=found.mag)
    exposures = frame.exposure_s / anchor.exposure_s if anchor.exposure_s > 0 else 1.0
    depth = None
    if frame.psf is not None and frame.sky_rms_e is not None:
        depth = limiting_mag(found.mag, frame.sky_rms_e, frame.psf)
    return frame, replace(
        quality,
        zero_point_mag=found.mag,
        zero_point_scatter_mag=found.scatter_mag,
        transparency=found.flux_ratio / exposures if exposures > 0 else None,
        limiting_mag=depth,
    )


def _cloud_flags(found: ZeroPoint) -> tuple[Reason, ...]:
    """Flag a frame that was dimmed unevenly."""
    field = found.field
    if not field.is_uneven:
        return ()
    text = (
        f"the zero point varies by {field.largest_mag:.2f} mag over the frame: patchy "
        "clouds, or a flat that does not fit"
    )
    numbers = {
        "gradient_mag": field.gradient_mag,
        "gradient_sigma": field.gradient_sigma,
        "cell_mag": field.cell_mag,
        "cell_sigma": field.cell_sigma,
    }
    return (Reason(ReasonCode.PATCHY_CLOUDS, text, numbers),)


def _placed(quality: FrameQuality, frame: Frame, anchor: Anchor) -> FrameQuality:
    """Add the frame's position on the sky, and how much of its field it covers."""
    if frame.wcs is None:
        return quality
    ra, dec, radius, area = footprint(frame.wcs, frame.shape)
    usable = 1 - quality.bad_fraction
    return replace(
        quality,
        ra_deg=ra,
        dec_deg=dec,
        radius_deg=radius,
        area_deg2=area * usable,
        field_coverage=share_covered(anchor.wcs, anchor.shape, frame.wcs, frame.shape),
    )


def _pointing_flags(solution: Solution, had_header: bool) -> tuple[Reason, ...]:
    """Flag headers whose WCS was wrong."""
    if not had_header:
        return ()
    if not solution.from_header:
        text = "the header's WCS is wrong; solved from the star patterns"
        return (Reason(ReasonCode.WCS_FROM_STARS, text, {}),)
    if solution.offset_px > LARGE_OFFSET_PX:
        text = f"the header's WCS was off by {solution.offset_px:.1f} px; corrected"
        return (Reason(ReasonCode.WCS_OFFSET, text, {"offset_px": solution.offset_px}),)
    return ()


def _judged(
    measured: MeasuredFrame,
    frame: Frame,
    quality: FrameQuality,
    standard: FieldStandard,
    settings: ProcessingSettings,
    more_reasons: tuple[Reason, ...],
    more_flags: tuple[Reason, ...],
) -> ProcessedFrame:
    """Check the frame against all limits."""
    quality = against_anchor(quality, standard, frame.exposure_s)
    reasons, flags = judge(quality, settings)
    quality = replace(quality, quality_score=quality_score(quality, settings, standard))
    stars = with_sky_positions(measured.stars, frame.wcs)
    reasons = [*reasons, *more_reasons]
    judged = {note.code for note in (*reasons, *flags)}
    # Flags known only from the frame's own measurement, such as its noise.
    own = tuple(note for note in measured.flags if note.code not in judged)
    log.info(
        "%s %s: %s",
        "rejected" if reasons else "accepted",
        frame.frame_id,
        ", ".join(r.code for r in reasons) or f"FWHM {quality.fwhm_px:.2f} px",
    )
    return ProcessedFrame(
        frame=frame,
        stars=stars,
        quality=quality,
        reasons=tuple(reasons),
        flags=(*flags, *own, *more_flags),
    )
