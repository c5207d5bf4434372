"""Process the light frames of a night: calibrated, masked, solved, judged.

Astrometry and magnitudes of a field and band refer to its anchor: the best frame of
the first night that has one, chosen once and kept (`anchors`). A frame that cannot be
used is rejected with its reasons; the night goes on with the others.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.gates import frame_quality, rejected_fraction
from astrid_assets.steps import versions
from astrid_assets.steps.calibration_masters.masters import masters_of
from astrid_assets.steps.nights import (
    NightPlan,
    NightReport,
    Tools,
    finish,
    hash_of,
    run_nights,
    version_of,
)
from astrid_assets.steps.processed_frames.anchors import ensure_anchors
from astrid_assets.steps.processed_frames.frame_task import FrameTask, process_frame
from astrid_assets.steps.raw_files import forget_raw_files
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import observations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from astrid_assets.steps.processed_frames.frame_task import FrameOutcome
    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "processed_frames"
PICTURES_PER_NIGHT = 1
SUMMED_UP = (
    *(number.name for number in FRAME_NUMBERS),
    "limiting_mag",
    "psf_residual",
    "noise_ratio",
    "quality_score",
)
"""Columns whose median over the accepted frames stands in a night's summary."""


def process_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Process every light frame of the nights; one report per night, in order."""

    def commit(plan: NightPlan[FrameTask], found: list[FrameOutcome]) -> NightReport:
        report = _report(profile, plan.night, found)
        with tools.catalogue.begin() as session:
            upsert(session, [outcome.row for outcome in found])
            finish(session, report, plan.input_hash)
        return report

    plans = _plans(tools, profile, nights)
    try:
        yield from run_nights(tools, profile, ASSET, plans, process_frame, commit, force=force)
    finally:
        forget_raw_files()


def _plans(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str]
) -> list[NightPlan[FrameTask]]:
    with tools.catalogue.read() as session:
        lights = {
            night: observations.observations_of_night(
                session, profile.name, night, status="registered", kind="light"
            )
            for night in nights
        }
    masters = masters_of(tools, profile, [frame for night in nights for frame in lights[night]])
    anchors = ensure_anchors(tools, profile, lights)
    plans = []
    for night in nights:
        inputs = [
            (frame, masters[frame.id], anchors.get((frame.field, frame.band)))
            for frame in lights[night]
        ]
        input_hash = hash_of(
            versions.PROCESS,
            [(frame.id, anchor and anchor.key, vars(own)) for frame, own, anchor in inputs],
            profile.processing,
            profile.calibration,
            profile.detector,
        )
        tasks = [
            FrameTask.of(
                tools.store,
                profile,
                frame,
                own,
                anchor,
                input_hash=input_hash,
                with_picture=number < PICTURES_PER_NIGHT,
            )
            for number, (frame, own, anchor) in enumerate(inputs)
        ]
        plans.append(NightPlan(night, tasks, input_hash))
    return plans


def _report(profile: SurveyProfile, night: str, found: Sequence[FrameOutcome]) -> NightReport:
    rows = [outcome.row for outcome in found]
    accepted = [row for row in rows if row.status == "accepted"]
    codes = [str(row.reasons[0]["code"]) for row in rows if row.status != "accepted"]
    summary: dict[str, object] = {
        "frames": len(rows),
        "accepted": len(accepted),
        "rejected": len(codes),
        "rejected_because": dict(Counter(codes)),
        "flags": dict(Counter(flag["code"] for row in rows for flag in row.flags)),
        **{name: _median(getattr(row, name) for row in accepted) for name in SUMMED_UP},
    }
    verdicts = (
        frame_quality(len(accepted), codes),
        rejected_fraction(len(accepted), codes),
    )
    pictures = {caption: key for outcome in found for caption, key in outcome.pictures.items()}
    return NightReport(
        profile.name,
        night,
        ASSET,
        summary,
        verdicts,
        pictures=pictures,
        data_version=version_of(rows, without=("settings_hash",)),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = sorted(value for value in values if value is not None and math.isfinite(value))
    return round(float(known[len(known) // 2]), 4) if known else None
