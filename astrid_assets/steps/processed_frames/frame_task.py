"""One frame from the raw file to the processed one; runs in a worker process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from astrid_assets.pictures.diagnostics import diagnostics_picture
from astrid_assets.pictures.thumbnails import frame_picture
from astrid_assets.science.errors import Reason, ScienceError
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.processing.anchor import anchor_rank, make_anchor
from astrid_assets.science.processing.diagnostics import frame_diagnostics
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.steps.calibration_masters.keys import check_masters, load_masters
from astrid_assets.steps.nights import keep_picture
from astrid_assets.steps.processed_frames.anchor_store import load_anchor
from astrid_assets.steps.raw_files import open_raw_file
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.base import set_numbers
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.fits.frames import frame_to_fits
from astrid_assets.storage.objects import layout
from astrid_assets.surveys.catalogue_file import read_catalogue
from astrid_assets.surveys.fits.reader import raw_image_to_frame, read_image

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.processing.diagnostics import FrameDiagnostics
    from astrid_assets.science.processing.measuring import MeasuredFrame
    from astrid_assets.science.processing.solving import ProcessedFrame
    from astrid_assets.steps.calibration_masters.keys import MasterKeys
    from astrid_assets.steps.processed_frames.anchor_store import AnchorKey
    from astrid_assets.storage.database.tables.frames import Observation
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

MEASURED = (
    "sky_level_e",
    "sky_rms_e",
    "zero_point_mag",
    "zero_point_scatter_mag",
    "limiting_mag",
    "n_matched",
    "ra_deg",
    "dec_deg",
    "radius_deg",
    "area_deg2",
    "field_coverage",
    "quality_score",
)
"""Columns of a preprocess run that are copied from the frame's quality, beside those of
the declared numbers."""

DIAGNOSED = (
    "astrometric_rms_x_px",
    "astrometric_rms_y_px",
    "astrometric_rms_x_mas",
    "astrometric_rms_y_mas",
    "wcs_kind",
    "zero_point_error_mag",
    "psf_residual",
    "noise_ratio",
)
"""Columns copied from its diagnostics."""


@dataclass(frozen=True)
class FrameTask:
    """One light frame; travels to a worker process."""

    store: ObjectStore
    profile: SurveyProfile
    observation_id: str
    night: str
    path: str
    hdu: int
    raw_key: str
    masters: MasterKeys
    anchor: AnchorKey | None
    input_hash: str
    with_picture: bool = False

    @classmethod
    def of(
        cls,
        store: ObjectStore,
        profile: SurveyProfile,
        frame: Observation,
        masters: MasterKeys,
        anchor: AnchorKey | None,
        *,
        input_hash: str = "",
        with_picture: bool = False,
    ) -> FrameTask:
        """Return the task of an ingested frame.

        Parameters
        ----------
        input_hash
            Hash of the night's inputs; empty where no row comes of the task.
        """
        return cls(
            store=store,
            profile=profile,
            observation_id=frame.id,
            night=frame.night,
            path=frame.source_path,
            hdu=frame.hdu,
            raw_key=str(frame.raw_key),
            masters=masters,
            anchor=anchor,
            input_hash=input_hash,
            with_picture=with_picture,
        )


@dataclass(frozen=True)
class FrameOutcome:
    """The catalogue row of a frame, and the object keys of its pictures by caption."""

    row: PreprocessRun
    pictures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AnchorOffer:
    """What a frame would be worth as its field's anchor; rank None: not at all."""

    observation_id: str
    rank: float | None
    frame_key: str | None
    is_local: bool = False
    tie: dict[str, float | str | None] | None = None
    reasons: tuple[Reason, ...] = field(default=())


def process_frame(task: FrameTask) -> FrameOutcome:
    """Calibrate, measure, solve and judge one frame; keep it if it was processed."""
    if task.anchor is None:
        reason = Reason(
            ReasonCode.NO_ANCHOR,
            "no frame of this field and band could define its astrometry and "
            "magnitudes yet; one that is accepted will",
        )
        # Its own faults are what a person can do something about.
        reasons = [*offer_anchor(task).reasons, reason]
        return FrameOutcome(_row(task, None, None, reasons, []))
    try:
        flags = check_masters(task.profile, task.masters)
        measured = _measure(task)
        anchor = load_anchor(task.store, task.anchor)
        processed = solve_frame(measured, anchor, task.profile.processing)
    except ScienceError as error:
        return FrameOutcome(_row(task, None, None, [error.reason], []))
    key = _keep(task, processed)
    found = frame_diagnostics(processed, measured)
    row = _row(task, processed, key, list(processed.reasons), [*flags, *processed.flags], found)
    if not task.with_picture:
        return FrameOutcome(row)
    return FrameOutcome(row, _pictures(task, processed.frame, found))


def _pictures(task: FrameTask, frame: Frame, found: FrameDiagnostics) -> dict[str, str]:
    """Draw the frame and its diagnostics; object keys by caption."""
    name = task.path.rsplit("/", 1)[-1]
    drawn = {
        "frame": (
            f"processed {name}",
            frame_picture(frame.data, frame.mask & UNUSABLE),
        ),
        "diagnostics": (
            f"masks, PSF and residuals {name}",
            diagnostics_picture(frame, found.details),
        ),
    }
    return {
        caption: keep_picture(
            task.store,
            task.profile.name,
            task.night,
            f"{task.observation_id}-{what}",
            png,
        )
        for what, (caption, png) in drawn.items()
    }


def offer_anchor(task: FrameTask) -> AnchorOffer:
    """Process a frame as its own anchor and say how good an anchor it would be."""
    try:
        check_masters(task.profile, task.masters)
        measured = _measure(task)
        file = task.profile.catalogue
        catalogue = read_catalogue(file) if file else None
        anchor = make_anchor(measured, task.profile.processing, catalogue)
        # It defines the field: its own header has no say against the catalogue.
        placed = replace(measured, frame=replace(measured.frame, wcs=anchor.wcs))
        processed = solve_frame(placed, anchor, task.profile.processing)
    except ScienceError as error:
        return AnchorOffer(task.observation_id, None, None, reasons=(error.reason,))
    if processed.reasons:
        reasons = tuple(processed.reasons)
        return AnchorOffer(task.observation_id, None, None, reasons=reasons)
    key = _keep(task, processed)
    return AnchorOffer(
        task.observation_id,
        anchor_rank(measured),
        key,
        is_local=anchor.is_local,
        tie=anchor.tie.summary() if anchor.tie else None,
    )


def _measure(task: FrameTask) -> MeasuredFrame:
    profile = task.profile
    file = open_raw_file(task.store, task.raw_key, profile)
    raw = read_image(file, task.hdu, task.path, profile)
    frame = raw_image_to_frame(raw, task.observation_id)
    masters = None
    if profile.calibration.frames_are == "raw":
        masters = load_masters(task.store, task.masters)
    return measure_frame(frame, masters, profile.processing)


def _keep(task: FrameTask, processed: ProcessedFrame) -> str:
    return task.store.put(
        layout.processed_key(task.profile.name, task.night, task.observation_id),
        frame_to_fits(processed.frame, processed.stars),
        ".fits",
    )


def _row(
    task: FrameTask,
    processed: ProcessedFrame | None,
    key: str | None,
    reasons: list[Reason],
    flags: list[Reason],
    found: FrameDiagnostics | None = None,
) -> PreprocessRun:
    measured: dict[str, Any] = {}
    if processed:
        measured |= {name: getattr(processed.quality, name) for name in MEASURED}
    if found:
        measured |= {name: getattr(found, name) for name in DIAGNOSED}
    row = PreprocessRun(
        id=ids.preprocess_id(task.observation_id),
        observation_id=task.observation_id,
        settings_hash=task.input_hash,
        status="rejected" if reasons else "accepted",
        reasons=[reason.as_dict() for reason in reasons],
        flags=[flag.as_dict() for flag in flags],
        frame_key=key,
        processed_at=now(),
        diagnostics=found.details if found else None,
        **measured,
    )
    set_numbers(row, FRAME_NUMBERS, processed.quality.declared() if processed else {})
    return row
