"""Subtract the reference from each accepted frame of a night, and judge the night."""

from __future__ import annotations

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
    NightReport,
    Tools,
    finish,
    hash_of,
    keep_picture,
    unchanged_report,
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

Row = dict[str, object]


@dataclass(frozen=True)
class SubtractOutcome:
    """The row of one difference, and object keys of its pictures by caption."""

    row: Row
    pictures: dict[str, str] = field(default_factory=dict)


def subtract_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Subtract every accepted frame of the nights; one report per night, in order."""
    tasks: dict[str, list[SubtractTask]] = {}
    hashes: dict[str, str] = {}
    done: dict[str, NightReport] = {}
    with tools.catalogue.read() as session:
        held = gates.blocked_nights(session, profile.name, "processed_frames")
        for night in nights:
            night_tasks = [] if night in held else _tasks(tools, profile, night)
            hashes[night] = hash_of(
                versions.SUBTRACT,
                [(t.settings_hash, t.reference_id) for t in night_tasks],
                profile.differencing,
            )
            before = unchanged_report(session, profile.name, night, ASSET, hashes[night])
            if before and not force:
                done[night] = before
            else:
                tasks[night] = night_tasks

    todo = [task for night in nights for task in tasks.get(night, ())]
    outcomes = iter(tools.compute.map(subtract_frame, todo))
    for night in nights:
        if night in done:
            yield done[night]
            continue
        found = [next(outcomes) for _ in tasks[night]]
        rows, pictures = _checked(tools, tasks[night], found)
        report = _report(profile, night, rows, pictures)
        with tools.catalogue.begin() as session:
            upsert(session, DifferenceRun, rows)
            frames.make_current(
                session,
                [str(row["observation_id"]) for row in rows],
                [str(row["id"]) for row in rows],
            )
            finish(session, report, hashes[night])
        yield report


def _checked(
    tools: Tools, tasks: Sequence[SubtractTask], found: Sequence[SubtractOutcome]
) -> tuple[list[Row], dict[str, str]]:
    """Add how the other method compares to the rows it was asked for."""
    rows = [outcome.row for outcome in found]
    pictures: dict[str, str] = {}
    for outcome in found:
        pictures |= outcome.pictures
    checks = check_tasks(tasks, rows)
    by_id = {str(row["observation_id"]): row for row in rows}
    for (observation_id, check), (told, picture) in zip(
        checks.items(), tools.compute.map(check_frame, checks.values()), strict=True
    ):
        row = by_id[observation_id]
        flags = disagreement(told, check.task.settings)
        by_id[observation_id] = row | {
            "cross_check": told,
            "flags": [*row["flags"], *(flag.as_dict() for flag in flags)],  # type: ignore[misc]  # JSON list
        }
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
    row: Row = {
        "id": ids.difference_id(task.observation_id, task.reference_id, task.settings_hash),
        "observation_id": task.observation_id,
        "reference_id": task.reference_id,
        "settings_hash": task.settings_hash,
        "method": task.settings.method,
        "is_current": True,
        "status": "rejected",
        "reasons": [],
        "flags": [],
        "difference_key": None,
        "subtracted_at": now(),
        "cross_check": None,
        **dict.fromkeys(MEASURED),
    }
    if task.reference_key is None:
        missing = Reason(
            ReasonCode.NO_REFERENCE,
            "no reference was chosen for this night: materialize reference_frames",
        )
        return SubtractOutcome(row | {"reasons": [task.reason or missing.as_dict()]})
    science = frame_from_fits(task.store.get(task.frame_key))
    try:
        difference = subtract(
            science,
            reference_frame(task.store, task.reference_key),
            task.settings,
        )
    except TooFewStars as error:
        told = {"reasons": [error.reason.as_dict()], "n_stars": int(error.found)}
        return SubtractOutcome(row | told)
    except ScienceError as error:
        return SubtractOutcome(row | {"reasons": [error.reason.as_dict()]})
    key = task.store.put(
        layout.difference_key(task.survey, task.night, task.observation_id),
        difference_to_fits(difference),
        ".fits",
    )
    pictures = _pictures(task, science, difference) if task.with_picture else {}
    return SubtractOutcome(row | _measured(difference) | {"difference_key": key}, pictures)


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


def _measured(difference: Difference) -> Row:
    return {name: getattr(difference, name) for name in MEASURED} | {
        "status": "rejected" if difference.reasons else "accepted",
        "reasons": [reason.as_dict() for reason in difference.reasons],
        "flags": [flag.as_dict() for flag in difference.flags],
    }


def _report(
    profile: SurveyProfile,
    night: str,
    rows: Sequence[Row],
    pictures: dict[str, str],
) -> NightReport:
    accepted = [row for row in rows if row["status"] == "accepted"]
    codes: dict[str, int] = {}
    for row in rows:
        for reason in row["reasons"]:  # type: ignore[attr-defined]  # JSON list
            codes[reason["code"]] = codes.get(reason["code"], 0) + 1
    stds = [float(str(r["std_score"])) for r in rows if r["std_score"] is not None]
    limits = [float(str(r["limiting_mag"])) for r in accepted if r["limiting_mag"] is not None]
    settings = profile.differencing
    summary: dict[str, object] = {
        "differences": len(accepted),
        "rejected": len(rows) - len(accepted),
        "rejected_because": codes,
        "std_score": [round(std, 4) for std in stds],
        "limiting_mag": round(sum(limits) / len(limits), 3) if limits else None,
    }
    checks = [row["cross_check"] for row in rows if row["cross_check"]]
    verdicts = judge_differences(rows, settings)
    if settings.cross_check:
        verdicts += methods_agree(checks, settings)  # type: ignore[arg-type]  # JSON
    return NightReport(profile.name, night, ASSET, summary, verdicts, pictures=pictures)
