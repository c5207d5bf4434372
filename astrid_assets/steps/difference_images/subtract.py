"""Subtract the reference from each accepted frame of a night, and judge the night."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astrid_assets.pictures.subtraction import gates_picture
from astrid_assets.pictures.thumbnails import triplet_picture
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import Reason, ScienceError, TooFewStars
from astrid_assets.science.quality.difference_gates import (
    judge_differences,
    methods_agree,
)
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.steps import versions
from astrid_assets.steps.difference_images.cross_check import check_frame, check_tasks, disagreement
from astrid_assets.steps.difference_images.task import SubtractTask
from astrid_assets.steps.nights import (
    NightPlan,
    NightReport,
    Tools,
    finish,
    hash_of,
    keep_picture,
    run_nights,
)
from astrid_assets.steps.reference_frames.reading import reference_frame
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.fits.differences import difference_to_fits
from astrid_assets.storage.fits.frames import frame_from_fits
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries import frames, gates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.frame import Frame
    from astrid_assets.storage.database.tables.base import Json
    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "difference_images"
PICTURE = "science, reference, difference"
GATES_PICTURE = "what the subtraction's gates judged"
METHODS_PICTURE = "fluxes by both methods"

MEASURED = (
    *(number.name for number in DIFFERENCE_NUMBERS),
    "noise_factor",
    "limiting_mag",
    "area_deg2",
)
"""Columns of a difference that are copied as they were measured."""


@dataclass(frozen=True)
class SubtractOutcome:
    """The row of one difference, and object keys of its pictures by caption."""

    row: DifferenceRun
    pictures: dict[str, str] = field(default_factory=dict)


def subtract_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Subtract every accepted frame of the nights; one report per night, in order."""

    def commit(plan: NightPlan[SubtractTask], found: list[SubtractOutcome]) -> NightReport:
        rows, pictures = _checked(tools, plan.tasks, found)
        report = _report(profile, plan.night, rows, pictures)
        with tools.catalogue.begin() as session:
            upsert(session, rows)
            frames.make_current(
                session, [row.observation_id for row in rows], [row.id for row in rows]
            )
            finish(session, report, plan.input_hash)
        return report

    plans = _plans(tools, profile, nights)
    yield from run_nights(tools, profile, ASSET, plans, subtract_frame, commit, force=force)


def _plans(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str]
) -> list[NightPlan[SubtractTask]]:
    with tools.catalogue.read() as session:
        held = gates.blocked_nights(session, profile.name, "processed_frames")
    plans = []
    for night in nights:
        tasks = [] if night in held else _tasks(tools, profile, night)
        input_hash = hash_of(
            versions.SUBTRACT,
            [(t.settings_hash, t.reference_id) for t in tasks],
            profile.differencing,
        )
        plans.append(NightPlan(night, tasks, input_hash))
    return plans


def _checked(
    tools: Tools, tasks: Sequence[SubtractTask], found: Sequence[SubtractOutcome]
) -> tuple[list[DifferenceRun], dict[str, str]]:
    """Add how the other method compares to the rows it was asked for."""
    by_id = {outcome.row.observation_id: outcome.row for outcome in found}
    pictures: dict[str, str] = {}
    for outcome in found:
        pictures |= outcome.pictures
    checks = check_tasks(tasks, [outcome.row for outcome in found])
    for (observation_id, check), (told, picture) in zip(
        checks.items(), tools.compute.map(check_frame, checks.values()), strict=True
    ):
        row = by_id[observation_id]
        row.cross_check = told
        flags = disagreement(told, check.task.settings)
        row.flags = [*row.flags, *(flag.as_dict() for flag in flags)]
        if picture:
            pictures[METHODS_PICTURE] = picture
    return list(by_id.values()), pictures


def _tasks(tools: Tools, profile: SurveyProfile, night: str) -> list[SubtractTask]:
    tasks = []
    with tools.catalogue.read() as session:
        for observation, run in frames.preprocess_runs_of_night(session, profile.name, night):
            if run.status != "accepted" or run.frame_key is None:
                continue
            choice = frames.night_reference(
                session, profile.name, night, observation.field, observation.band
            )
            reference = frames.reference_of(session, choice)
            tasks.append(
                SubtractTask(
                    store=tools.store,
                    survey=profile.name,
                    night=night,
                    observation_id=observation.id,
                    group=(observation.field, observation.band),
                    frame_key=run.frame_key,
                    reference_id=reference.id if reference else None,
                    reference_key=reference.frame_key if reference else None,
                    reason=choice.reason if choice else None,
                    settings=profile.differencing,
                    settings_hash=hash_of(versions.SUBTRACT, run.frame_key, profile.differencing),
                    with_picture=not tasks,
                )
            )
    return tasks


def subtract_frame(task: SubtractTask) -> SubtractOutcome:
    """Subtract one frame and keep the difference: its catalogue row, its pictures."""
    if task.reference_key is None:
        missing = Reason(
            ReasonCode.NO_REFERENCE,
            "no reference was chosen for this night: materialize reference_frames",
        )
        return SubtractOutcome(_row(task, reasons=[task.reason or missing.as_dict()]))
    science = frame_from_fits(task.store.get(task.frame_key))
    try:
        difference = subtract(
            science,
            reference_frame(task.store, task.reference_key),
            task.settings,
        )
    except TooFewStars as error:
        row = _row(task, reasons=[error.reason.as_dict()])
        row.n_stars = int(error.found)
        return SubtractOutcome(row)
    except ScienceError as error:
        return SubtractOutcome(_row(task, reasons=[error.reason.as_dict()]))
    key = task.store.put(
        layout.difference_key(task.survey, task.night, task.observation_id),
        difference_to_fits(difference),
        ".fits",
    )
    row = _row(
        task,
        reasons=[reason.as_dict() for reason in difference.reasons],
        flags=[flag.as_dict() for flag in difference.flags],
        difference_key=key,
    )
    for name in MEASURED:
        setattr(row, name, getattr(difference, name))
    return SubtractOutcome(row, _pictures(task, science, difference) if task.with_picture else {})


def _row(
    task: SubtractTask,
    *,
    reasons: list[Json],
    flags: Sequence[Json] = (),
    difference_key: str | None = None,
) -> DifferenceRun:
    """Return the row of a subtraction; whatever has reasons is rejected."""
    return DifferenceRun(
        id=ids.difference_id(task.observation_id, task.reference_id, task.settings_hash),
        observation_id=task.observation_id,
        reference_id=task.reference_id,
        settings_hash=task.settings_hash,
        method=task.settings.method,
        is_current=True,
        status="rejected" if reasons else "accepted",
        reasons=reasons,
        flags=list(flags),
        difference_key=difference_key,
        subtracted_at=now(),
    )


def _pictures(task: SubtractTask, science: Frame, difference: Difference) -> dict[str, str]:
    triplet = triplet_picture(
        science.data, difference.registered_reference, difference.d, difference.mask
    )
    drawn = {
        PICTURE: ("triplet", triplet),
        GATES_PICTURE: ("gates", gates_picture(difference, task.settings)),
    }
    return {
        caption: keep_picture(
            task.store, task.survey, task.night, f"{task.observation_id}-{name}", png
        )
        for caption, (name, png) in drawn.items()
    }


def _report(
    profile: SurveyProfile,
    night: str,
    rows: Sequence[DifferenceRun],
    pictures: dict[str, str],
) -> NightReport:
    accepted = [row for row in rows if row.status == "accepted"]
    limits = [row.limiting_mag for row in accepted if row.limiting_mag is not None]
    settings = profile.differencing
    summary: dict[str, object] = {
        "differences": len(accepted),
        "rejected": len(rows) - len(accepted),
        "rejected_because": dict(Counter(r["code"] for row in rows for r in row.reasons)),
        "std_score": [round(row.std_score, 4) for row in rows if row.std_score is not None],
        "limiting_mag": round(sum(limits) / len(limits), 3) if limits else None,
    }
    measured = [{name: getattr(row, name) for name in MEASURED} for row in rows]
    verdicts = judge_differences(measured, settings)
    if settings.cross_check:
        verdicts += methods_agree([row.cross_check for row in rows if row.cross_check], settings)
    return NightReport(profile.name, night, ASSET, summary, verdicts, pictures=pictures)
