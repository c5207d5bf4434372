"""Subtract a night's first accepted frame of each field and band by both methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.pictures.subtraction import methods_picture
from astrid_assets.science.errors import Reason, ScienceError
from astrid_assets.science.quality.cross_check import OTHER, cross_check
from astrid_assets.science.quality.difference_gates import methods_agree
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.steps.nights import keep_picture
from astrid_assets.steps.reference_frames.reading import reference_frame
from astrid_assets.storage.fits.differences import difference_from_fits
from astrid_assets.storage.fits.frames import frame_from_fits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.differencing.settings import DifferencingSettings
    from astrid_assets.science.quality.gate import Verdict
    from astrid_assets.steps.difference_images.task import SubtractTask
    from astrid_assets.storage.database.tables.base import Json
    from astrid_assets.storage.database.tables.detections import DifferenceRun


@dataclass(frozen=True)
class CheckTask:
    """A difference to make again by the other method; travels to a worker process."""

    task: SubtractTask
    difference_key: str
    with_picture: bool


def check_tasks(
    tasks: Sequence[SubtractTask], rows: Sequence[DifferenceRun]
) -> dict[str, CheckTask]:
    """Choose what is checked, by the id of its observation."""
    chosen: dict[tuple[str, str], CheckTask] = {}
    for task, row in zip(tasks, rows, strict=True):
        if task.settings.cross_check and row.status == "accepted":
            chosen.setdefault(
                task.group,
                CheckTask(task, str(row.difference_key), with_picture=not chosen),
            )
    return {check.task.observation_id: check for check in chosen.values()}


def disagreement(told: Json, settings: DifferencingSettings) -> tuple[Reason, ...]:
    """Return the flag of a difference with which the other method disagrees."""
    failed = [v for v in methods_agree([told], settings) if not v.passed]
    if not failed:
        return ()
    numbers = {
        name: value
        for name, value in told.items()
        if isinstance(value, float) and name != "flux_ratio_err"
    }
    return (Reason(ReasonCode.METHODS_DISAGREE, _said(failed), numbers),)


def _said(failed: Sequence[Verdict]) -> str:
    """Return what the failed verdicts measured, each against its limit."""
    return "; ".join(
        f"{v.gate}: {v.value:.4g}, {v.limit} ({v.detail})" for v in failed if v.value is not None
    )


def check_frame(check: CheckTask) -> tuple[Json, str | None]:
    """Compare both methods on one pair: the numbers that are kept, and a picture."""
    task = check.task
    if task.reference_key is None:
        raise ValueError(f"{task.observation_id} was accepted without a reference")
    try:
        found = cross_check(
            frame_from_fits(task.store.get(task.frame_key)),
            reference_frame(task.store, task.reference_key),
            difference_from_fits(task.store.get(check.difference_key)),
            task.settings,
        )
    except ScienceError as error:
        # That the fitted kernel needs more stars says nothing against the difference.
        return {"method": OTHER[task.settings.method], "failure": str(error)}, None
    if not check.with_picture:
        return found.numbers(), None
    png = methods_picture(found, task.settings)
    name = f"{task.observation_id}-methods"
    return found.numbers(), keep_picture(task.store, task.survey, task.night, name, png)
