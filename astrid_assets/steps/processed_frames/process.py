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
    NightReport,
    Tools,
    finish,
    hash_of,
    unchanged_report,
    version_of,
)
from astrid_assets.steps.processed_frames.anchors import ensure_anchors
from astrid_assets.steps.processed_frames.frame_task import FrameTask, process_frame
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import observations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from astrid_assets.steps.processed_frames.frame_task import FrameOutcome
    from astrid_assets.storage.database.tables.frames import Observation
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
    lights: dict[str, list[Observation]] = {}
    with tools.catalogue.read() as session:
        for night in nights:
            lights[night] = observations.observations_of_night(
                session, profile.name, night, status="registered", kind="light"
            )
    tasks: dict[str, list[FrameTask]] = {}
    hashes: dict[str, str] = {}
    done: dict[str, NightReport] = {}
    masters = masters_of(tools, profile, [frame for night in nights for frame in lights[night]])
    anchors = ensure_anchors(tools, profile, lights)
    for night in nights:
        tasks[night] = [
            FrameTask(
                store=tools.store,
                profile=profile,
                observation_id=frame.id,
                night=night,
                path=frame.source_path,
                hdu=frame.hdu,
                raw_key=str(frame.raw_key),
                masters=masters[frame.id],
                anchor=anchors.get((frame.field, frame.band)),
                with_picture=number < PICTURES_PER_NIGHT,
            )
            for number, frame in enumerate(lights[night])
        ]
        hashes[night] = hash_of(
            versions.PROCESS,
            [(t.observation_id, t.anchor and t.anchor.key, vars(t.masters)) for t in tasks[night]],
            profile.processing,
            profile.calibration,
            profile.detector,
        )
        with tools.catalogue.read() as session:
            before = unchanged_report(session, profile.name, night, ASSET, hashes[night])
        if before and not force:
            done[night] = before

    todo = [task for night in nights if night not in done for task in tasks[night]]
    outcomes = iter(tools.compute.map(process_frame, todo))
    for night in nights:
        if night in done:
            yield done[night]
            continue
        found = [next(outcomes) for _ in tasks[night]]
        report = _report(profile, night, found)
        rows = [dict(outcome.row) | {"settings_hash": hashes[night]} for outcome in found]
        with tools.catalogue.begin() as session:
            upsert(session, PreprocessRun, rows)
            finish(session, report, hashes[night])
        yield report


def _report(profile: SurveyProfile, night: str, found: Sequence[FrameOutcome]) -> NightReport:
    rows = [outcome.row for outcome in found]
    accepted = [row for row in rows if row["status"] == "accepted"]
    codes = [_first_code(row) for row in rows if row["status"] != "accepted"]
    summary: dict[str, object] = {
        "frames": len(rows),
        "accepted": len(accepted),
        "rejected": len(codes),
        "rejected_because": dict(Counter(codes)),
        "flags": dict(
            Counter(flag["code"] for row in rows for flag in row["flags"])  # type: ignore[attr-defined]  # JSON list
        ),
        **{name: _median(accepted, name) for name in SUMMED_UP},
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
        data_version=version_of(rows),
    )


def _first_code(row: Mapping[str, object]) -> str:
    reasons: list[dict[str, str]] = row["reasons"]  # type: ignore[assignment]  # JSON list
    return reasons[0]["code"]


def _median(rows: Sequence[Mapping[str, object]], name: str) -> float | None:
    measured = (float(str(row[name])) for row in rows if row[name] is not None)
    values = sorted(value for value in measured if math.isfinite(value))
    return round(values[len(values) // 2], 4) if values else None
