"""Score the stored cutouts of a night again, where only its model changed.

A night whose differences, detection settings and version are those of before holds the
same candidates and cutouts: searching it again would find them again. So a new champion
scores the cutouts that are kept, and nothing but scores is written. What another model
had said stays in ``detection_scores``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import update

from astrid_assets.science.quality.gates import INPUT_DRIFT, SCORE_DRIFT
from astrid_assets.steps.detections.objects import draw_light_curves
from astrid_assets.steps.detections.scoring import model_scores, opinion_counts
from astrid_assets.steps.learning.watching.night import watch_night
from astrid_assets.steps.nights import NightReport, finish
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import Detection, DetectionScore
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects.cutout_files import read_cutout_file
from astrid_assets.storage.queries import candidates, gates
from astrid_assets.storage.review.score_opinions import limits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from astrid_assets.learning.survey_calibration import OwnCalibration
    from astrid_assets.steps.nights import NightPlan, Tools
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "detections"
PICTURE = "score with detections (yellow up, blue down)"
DRIFTS = (SCORE_DRIFT.name, INPUT_DRIFT.name)


@dataclass(frozen=True)
class RescoreTask:
    """The cutouts of one frame to score again; travels to a worker process."""

    store: ObjectStore
    observation_id: str
    cutout_key: str
    detection_ids: tuple[str, ...]
    """In the order of the cutouts."""
    model_id: str
    model_key: str
    calibration: OwnCalibration | None


def rescore_tasks(
    session: Session,
    store: ObjectStore,
    profile: SurveyProfile,
    night: str,
    model: Model,
    calibration: OwnCalibration | None,
    hash_with: Callable[[Model | None], str],
) -> list[RescoreTask]:
    """Return what to score again; empty where the night has to be searched.

    Parameters
    ----------
    model, calibration
        The model in force, and the survey's own calibration of it.
    hash_with
        The hash of the night's inputs, were a model (None: the ranking by S/N) in force:
        the night's stored hash shows whether nothing else has changed.
    """
    before = gates.night_summary(session, profile.name, night, ASSET)
    if before is None or before.input_hash == hash_with(model):
        return []
    rows = candidates.stored_cutouts(session, profile.name, night)
    if len(rows) != before.summary.get("detections"):
        return []
    if not any(
        hash_with(session.get(Model, id_) if id_ else None) == before.input_hash
        for id_ in {row.model_id for row in rows}
    ):
        return []
    frames = defaultdict(list)
    for row in rows:
        frames[row.observation_id, row.cutout_key].append(row)
    # A frame's cutouts are all of one array, or else not those of its newest search.
    if len({frame for frame, _ in frames}) != len(frames) or any(
        [row.cutout_index for row in own] != list(range(len(own))) for own in frames.values()
    ):
        return []
    return [
        RescoreTask(
            store=store,
            observation_id=observation_id,
            cutout_key=cutout_key,
            detection_ids=tuple(row.id for row in own),
            model_id=model.id,
            model_key=model.onnx_key,
            calibration=calibration,
        )
        for (observation_id, cutout_key), own in frames.items()
    ]


def rescore_frame(task: RescoreTask) -> NDArray[np.float32]:
    """Return the scores of a frame's stored cutouts, ``(n,)``."""
    cutouts = read_cutout_file(task.store.get(task.cutout_key))
    return model_scores(task.store, task.model_key, task.calibration, cutouts)


def commit_scores(
    tools: Tools,
    profile: SurveyProfile,
    plan: NightPlan[RescoreTask],
    found: Sequence[NDArray[np.float32]],
) -> NightReport:
    """Write the scores of a night; candidates, cutouts, objects and votes stay as they are."""
    model_id = plan.tasks[0].model_id
    scores = {
        detection_id: float(score)
        for task, own in zip(plan.tasks, found, strict=True)
        for detection_id, score in zip(task.detection_ids, own, strict=True)
    }
    ordered = sorted(scores.items())
    with tools.catalogue.begin() as session:
        session.execute(
            update(Detection),
            [
                {"id": id_, "score": score, "score_kind": "model", "model_id": model_id}
                for id_, score in ordered
            ],
        )
        upsert(
            session,
            [
                DetectionScore(detection_id=id_, model_id=model_id, score=score, scored_at=now())
                for id_, score in ordered
            ],
        )
        limits = limits_of(session, session.get_one(Model, model_id), profile.name)
        before = session.get_one(NightSummary, (profile.name, plan.night, ASSET)).summary
        counts: dict[str, object] = {n: value for n, value in before.items() if n != "pictures"}
        shown = before.get("pictures") or {}
        pictures = {caption: key for caption, key in shown.items() if caption == PICTURE}
        verdicts = [
            verdict
            for verdict in gates.verdicts(session, profile.name, plan.night, ASSET)
            if verdict.gate not in DRIFTS
        ]
        report = NightReport(
            profile.name,
            plan.night,
            ASSET,
            counts | {"score_kind": "model"} | opinion_counts(limits, list(scores.values())),
            (*verdicts, *watch_night(session, profile.name, plan.night, model_id)),
            # An object may have been seen on an earlier night since.
            pictures=pictures | draw_light_curves(session, tools.store, profile.name, plan.night),
        )
        finish(session, report, plan.input_hash)
    return report
