"""Detect on each difference of a night; score what is kept; join it into objects.

How one difference is searched is in `search`; a night on which nothing but the model has
changed is scored again without a search (`rescore`).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

from astrid_assets.science.detection.candidate import RejectReason
from astrid_assets.science.quality.gates import candidate_density
from astrid_assets.steps import versions
from astrid_assets.steps.detections.objects import draw_light_curves, with_objects
from astrid_assets.steps.detections.rescore import (
    ASSET,
    PICTURE,
    RescoreTask,
    commit_scores,
    rescore_frame,
    rescore_tasks,
)
from astrid_assets.steps.detections.scoring import opinion_counts
from astrid_assets.steps.detections.search import DetectOutcome, DetectTask, detect_frame
from astrid_assets.steps.learning.cutout_version import refuse_other_cutouts
from astrid_assets.steps.learning.survey_calibrations import own_calibration
from astrid_assets.steps.learning.watching.night import watch_night
from astrid_assets.steps.nights import (
    NightPlan,
    NightReport,
    Tools,
    finish,
    hash_of,
    run_nights,
)
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import DetectionScore
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import candidates, frames, gates, models
from astrid_assets.storage.review.carrying import carry_night
from astrid_assets.storage.review.score_opinions import limits_of
from astrid_assets.storage.review.views import refresh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from astrid_assets.surveys.profile import SurveyProfile

    Task = DetectTask | RescoreTask
    Outcome = DetectOutcome | NDArray[np.float32]

PICTURES_PER_NIGHT = 1


def detect_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Search every accepted difference of the nights; one report each, in order.

    Where only the model has changed, the stored cutouts are scored (`rescore`).
    """

    def commit(plan: NightPlan[Task], found: list[Outcome]) -> NightReport:
        again = [task for task in plan.tasks if isinstance(task, RescoreTask)]
        if again:
            scores = [one for one in found if not isinstance(one, DetectOutcome)]
            same_night = NightPlan(plan.night, again, plan.input_hash)
            return commit_scores(tools, profile, same_night, scores)
        searched = [task for task in plan.tasks if isinstance(task, DetectTask)]
        outcomes = [one for one in found if isinstance(one, DetectOutcome)]
        whole = NightPlan(plan.night, searched, plan.input_hash)
        return _commit(tools, profile, whole, outcomes)

    plans = _plans(tools, profile, nights, force=force)
    yield from run_nights(tools, profile, ASSET, plans, _work, commit, force=force)


def _plans(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool
) -> list[NightPlan[Task]]:
    plans: list[NightPlan[Task]] = []
    with tools.catalogue.read() as session:
        model = models.champion_of_survey(session, profile.name)
        if model is not None:
            refuse_other_cutouts(model)
        own = own_calibration(model, profile.name) if model else None
        held = gates.blocked_nights(session, profile.name, "difference_images")
        for night in nights:
            pairs = (
                []
                if night in held
                else frames.differences_with_frames(session, profile.name, night)
            )
            runs = [(run, frame_key) for run, frame_key in pairs if run.status == "accepted"]
            tasks = [
                DetectTask(
                    store=tools.store,
                    survey=profile.name,
                    night=night,
                    observation_id=run.observation_id,
                    difference_id=run.id,
                    difference_key=str(run.difference_key),
                    frame_key=frame_key,
                    settings=profile.detection,
                    model_id=model.id if model else None,
                    model_key=model.onnx_key if model else None,
                    calibration=own,
                    with_picture=number < PICTURES_PER_NIGHT,
                )
                for number, (run, frame_key) in enumerate(runs)
            ]
            hash_with = partial(_input_hash, profile, tasks)
            again = (
                []
                if force or model is None
                else rescore_tasks(session, tools.store, profile, night, model, own, hash_with)
            )
            plans.append(NightPlan(night, again or tasks, hash_with(model)))
    return plans


def _input_hash(profile: SurveyProfile, tasks: Sequence[DetectTask], model: Model | None) -> str:
    own = own_calibration(model, profile.name) if model else None
    return hash_of(
        versions.DETECT,
        [(task.difference_id, task.difference_key) for task in tasks],
        model.id if model else None,
        profile.detection,
        *([] if own is None else [asdict(own)]),
    )


def _work(task: Task) -> Outcome:
    return rescore_frame(task) if isinstance(task, RescoreTask) else detect_frame(task)


def _commit(
    tools: Tools,
    profile: SurveyProfile,
    plan: NightPlan[DetectTask],
    found: Sequence[DetectOutcome],
) -> NightReport:
    rows = [row for outcome in found for row in outcome.candidates]
    detections = [row for outcome in found for row in outcome.detections]
    report = _report(profile, plan.night, found)
    with tools.catalogue.begin() as session:
        candidates.retire(session, [task.difference_id for task in plan.tasks])
        upsert(session, rows)
        upsert(session, with_objects(session, profile, rows, detections))
        upsert(
            session,
            [
                DetectionScore(
                    detection_id=row.id, model_id=row.model_id, score=row.score, scored_at=now()
                )
                for row in detections
                if row.model_id is not None
            ],
        )
        # What reviewers said follows in the same transaction: no label is ever lost.
        refresh(session, carry_night(session, profile.name, plan.night))
        curves = draw_light_curves(session, tools.store, profile.name, report.night)
        report = replace(report, pictures=report.pictures | curves)
        if plan.tasks and plan.tasks[0].model_id is not None:
            model_id = plan.tasks[0].model_id
            limits = limits_of(session, session.get_one(Model, model_id), profile.name)
            said = opinion_counts(limits, [row.score for row in detections])
            drift = watch_night(session, profile.name, plan.night, model_id)
            report = replace(
                report,
                summary={**report.summary, **said},
                verdicts=(*report.verdicts, *drift),
            )
        finish(session, report, plan.input_hash)
    return report


def _report(profile: SurveyProfile, night: str, found: Sequence[DetectOutcome]) -> NightReport:
    rows = [row for outcome in found for row in outcome.candidates]
    kept = sum(row.is_kept for row in rows)
    reasons = {
        str(bit.name).lower(): sum(bool(row.reasons & bit) for row in rows) for bit in RejectReason
    }
    area = sum(outcome.area_deg2 for outcome in found)
    kinds = {row.score_kind for outcome in found for row in outcome.detections}
    summary: dict[str, object] = {
        "differences": len(found),
        "candidates": len(rows),
        "detections": kept,
        "positive": sum(row.is_kept and row.sign == 1 for row in rows),
        "rejected_because": {name: n for name, n in reasons.items() if n},
        "score_kind": "/".join(sorted(kinds)),
        "area_deg2": round(area, 6),
    }
    verdict = candidate_density(kept, area, profile.detection.max_density_deg2)
    shown = [outcome.picture_key for outcome in found if outcome.picture_key]
    pictures = {PICTURE: shown[0]} if shown else {}
    return NightReport(profile.name, night, ASSET, summary, (verdict,), pictures=pictures)
