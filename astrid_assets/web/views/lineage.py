"""Where a detection comes from and where it leads: raw file to deployed model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun, ReferenceFrame
from astrid_assets.storage.database.tables.learning import (
    Deployment,
    Model,
    TrainingDataset,
    TrainingRun,
    TrainingSample,
)
from astrid_assets.storage.database.tables.review import ReviewItem
from astrid_assets.storage.queries import candidates, frames
from astrid_assets.storage.review.carrying import current_of, former_of
from astrid_assets.storage.review.drawn_masks import drawn_masks
from astrid_assets.storage.review.labels import events_for

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.detections import DetectionScore
    from astrid_assets.storage.database.tables.review import FormerDetection, ValidationEvent


@dataclass(frozen=True)
class TrainedWith:
    """A model that learned from the detection, and how it was deployed."""

    dataset: TrainingDataset
    split: str
    run: TrainingRun | None
    model: Model | None
    deployments: list[Deployment]


@dataclass(frozen=True)
class Lineage:
    """Everything between the raw frame and the models trained on a detection."""

    detection: Detection
    candidate: CandidateRow
    difference: DifferenceRun
    reference: ReferenceFrame | None
    members: list[Observation]
    processed: PreprocessRun | None
    observation: Observation
    events: list[ValidationEvent]
    scores: list[tuple[DetectionScore, Model]]
    trained: list[TrainedWith]
    has_drawn_mask: bool
    former: list[FormerDetection]
    """Detections of earlier runs that were of the same source."""
    current_id: str | None
    """The detection that replaced it; None where it is current, or none did."""
    doubt: str | None
    """Why what was carried over is asked for again."""


def lineage(session: Session, detection_id: str) -> Lineage | None:
    """Return a detection's lineage; outdated detections have one too."""
    detection = session.get(Detection, detection_id)
    if detection is None:
        return None
    candidate = session.get_one(CandidateRow, detection.candidate_id)
    difference = session.get_one(DifferenceRun, candidate.difference_id)
    reference = None
    members: list[Observation] = []
    if difference.reference_id is not None:
        reference = session.get_one(ReferenceFrame, difference.reference_id)
        members = frames.reference_members(session, reference.id)
    processed = session.scalar(
        select(PreprocessRun).where(PreprocessRun.observation_id == detection.observation_id)
    )
    item = session.get(ReviewItem, detection_id)
    return Lineage(
        detection=detection,
        candidate=candidate,
        difference=difference,
        reference=reference,
        members=members,
        processed=processed,
        observation=session.get_one(Observation, detection.observation_id),
        events=events_for(session, [detection_id]).get(detection_id, []),
        scores=[
            (score, session.get_one(Model, score.model_id))
            for score in candidates.scores(session, detection_id)
        ],
        trained=_trained(session, detection_id),
        has_drawn_mask=bool(drawn_masks(session, [detection_id])),
        former=former_of(session, [detection_id]).get(detection_id, []),
        current_id=current_of(session, [detection_id]).get(detection_id),
        doubt=item.doubt if item else None,
    )


def _trained(session: Session, detection_id: str) -> list[TrainedWith]:
    query = (
        select(TrainingDataset, TrainingSample.split, TrainingRun, Model)
        .join(TrainingSample, TrainingSample.dataset_id == TrainingDataset.id)
        .outerjoin(TrainingRun, TrainingRun.dataset_id == TrainingDataset.id)
        .outerjoin(Model, Model.training_run_id == TrainingRun.id)
        .where(TrainingSample.detection_id == detection_id)
        .order_by(TrainingDataset.created_at, TrainingRun.started_at, Model.id)
    )
    found = [(row[0], row[1], row[2], row[3]) for row in session.execute(query)]
    deployed: dict[str, list[Deployment]] = {}
    ids = [model.id for _, _, _, model in found if model is not None]
    decisions = select(Deployment).where(Deployment.model_id.in_(ids))
    for row in session.scalars(decisions.order_by(Deployment.sequence)):
        deployed.setdefault(row.model_id, []).append(row)
    return [
        TrainedWith(dataset, split, run, model, deployed.get(model.id, []) if model else [])
        for dataset, split, run, model in found
    ]
