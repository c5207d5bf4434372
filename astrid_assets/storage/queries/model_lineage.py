"""Backward from a model to all that it was made of, forward from a frame to every model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import distinct, func, select

from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DetectionScore,
    DifferenceRun,
)
from astrid_assets.storage.database.tables.learning import (
    Deployment,
    Model,
    TrainingDataset,
    TrainingRun,
    TrainingSample,
)
from astrid_assets.storage.database.tables.review import ValidationEvent

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class LearnedNight:
    """A night whose detections a model learned from."""

    survey: str
    night: str
    detections: int
    differences: int
    frames: int


@dataclass(frozen=True)
class ModelLineage:
    """All that a model was made of, and what was decided about it.

    `run` and `dataset` are None where the catalogue does not know them. `events` counts the
    label events on its detections up to the collection.
    """

    model: Model
    run: TrainingRun | None
    dataset: TrainingDataset | None
    splits: dict[str, int]
    label_sources: dict[str, int]
    events: int
    nights: list[LearnedNight]
    settings_hashes: list[str]
    """Settings that its differences were made with, by hash."""
    decisions: list[Deployment]
    scored: int
    """Detections that it scored."""

    @property
    def code(self) -> str | None:
        """Commit, or else version, of the code that trained it; None for models of before."""
        code = (self.model.package or {}).get("code") or {}
        return code.get("commit") or code.get("astrid-assets")

    def as_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return {
            "version": self.model.version,
            "onnx_sha256": self.model.onnx_sha256,
            "code": self.code,
            "training_run_id": self.run.id if self.run else None,
            "mlflow_run_id": self.run.mlflow_run_id if self.run else None,
            "dataset_id": self.dataset.id if self.dataset else None,
            "dataset_sha256": self.dataset.content_hash if self.dataset else None,
            "splits": self.splits,
            "label_sources": self.label_sources,
            "label_events": self.events,
            "nights": [asdict(night) for night in self.nights],
            "settings_of_differences": self.settings_hashes,
            "scored": self.scored,
            "deployments": [row.sequence for row in self.decisions],
        }


@dataclass(frozen=True)
class SawIt:
    """A model that saw a frame or a detection: in training, in its test, or by scoring it."""

    model: Model
    splits: dict[str, int]
    scored: int
    was_in_force: bool

    def as_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return {
            "model_id": self.model.id,
            "version": self.model.version,
            "splits": self.splits,
            "scored": self.scored,
            "was_in_force": self.was_in_force,
        }


def model_lineage(session: Session, model: Model) -> ModelLineage:
    """Return what a model was made of."""
    run = session.get(TrainingRun, model.training_run_id) if model.training_run_id else None
    dataset = session.get(TrainingDataset, run.dataset_id) if run else None
    decisions = select(Deployment).where(Deployment.model_id == model.id)
    scored = select(func.count()).where(DetectionScore.model_id == model.id)
    nights: list[LearnedNight] = []
    splits: dict[str, int] = {}
    sources: dict[str, int] = {}
    events, hashes = 0, []
    if dataset is not None:
        of_dataset = TrainingSample.dataset_id == dataset.id
        splits = _splits(session, of_dataset)
        sources = _label_sources(session, dataset)
        events = _events(session, dataset)
        nights = _nights(session, of_dataset)
        hashes = _settings_hashes(session, of_dataset)
    return ModelLineage(
        model=model,
        run=run,
        dataset=dataset,
        splits=splits,
        label_sources=sources,
        events=events,
        nights=nights,
        settings_hashes=hashes,
        decisions=list(session.scalars(decisions.order_by(Deployment.sequence))),
        scored=session.scalar(scored) or 0,
    )


def models_that_saw(
    session: Session, *, observation_id: str | None = None, detection_id: str | None = None
) -> list[SawIt]:
    """Return every model that a frame, or one detection, went into or was scored by.

    Outdated detections count: a model keeps what it learned from them. Newest model first.
    """
    sample = (
        TrainingSample.detection_id == detection_id
        if detection_id is not None
        else TrainingSample.observation_id == observation_id
    )
    learned = (
        select(Model.id, TrainingSample.split, func.count())
        .join(TrainingRun, TrainingRun.id == Model.training_run_id)
        .join(TrainingSample, TrainingSample.dataset_id == TrainingRun.dataset_id)
        .where(sample)
        .group_by(Model.id, TrainingSample.split)
        .order_by(Model.id, TrainingSample.split)
    )
    splits: dict[str, dict[str, int]] = {}
    for model_id, split, count in session.execute(learned):
        splits.setdefault(model_id, {})[split] = count
    seen = (
        select(DetectionScore.model_id, func.count())
        .join(Detection, Detection.id == DetectionScore.detection_id)
        .where(
            Detection.id == detection_id
            if detection_id is not None
            else Detection.observation_id == observation_id
        )
        .group_by(DetectionScore.model_id)
    )
    scored = {row[0]: row[1] for row in session.execute(seen)}
    known = select(Model).where(Model.id.in_({*splits, *scored}))
    deployed = set(session.scalars(select(Deployment.model_id).where(Deployment.action != "keep")))
    return [
        SawIt(model, splits.get(model.id, {}), scored.get(model.id, 0), model.id in deployed)
        for model in session.scalars(known.order_by(Model.created_at.desc(), Model.id))
    ]


def _splits(session: Session, of_dataset: ColumnElement[bool]) -> dict[str, int]:
    query = select(TrainingSample.split, func.count()).where(of_dataset)
    rows = session.execute(query.group_by(TrainingSample.split).order_by(TrainingSample.split))
    return {row[0]: row[1] for row in rows}


def _label_sources(session: Session, dataset: TrainingDataset) -> dict[str, int]:
    source = TrainingSample.labels["source"].as_string()
    query = select(source, func.count()).where(TrainingSample.dataset_id == dataset.id)
    rows = session.execute(query.group_by(source).order_by(source))
    return {str(row[0]): row[1] for row in rows}


def _events(session: Session, dataset: TrainingDataset) -> int:
    query = (
        select(func.count())
        .select_from(ValidationEvent)
        .join(TrainingSample, TrainingSample.detection_id == ValidationEvent.detection_id)
        .where(
            TrainingSample.dataset_id == dataset.id,
            ValidationEvent.sequence <= dataset.last_sequence,
        )
    )
    return session.scalar(query) or 0


def _nights(session: Session, of_dataset: ColumnElement[bool]) -> list[LearnedNight]:
    query = (
        select(
            Detection.survey,
            Detection.night,
            func.count(),
            func.count(distinct(CandidateRow.difference_id)),
            func.count(distinct(Detection.observation_id)),
        )
        .join(TrainingSample, TrainingSample.detection_id == Detection.id)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .where(of_dataset)
        .group_by(Detection.survey, Detection.night)
        .order_by(Detection.survey, Detection.night)
    )
    return [LearnedNight(*row) for row in session.execute(query)]


def _settings_hashes(session: Session, of_dataset: ColumnElement[bool]) -> list[str]:
    query = (
        select(DifferenceRun.settings_hash)
        .distinct()
        .join(CandidateRow, CandidateRow.difference_id == DifferenceRun.id)
        .join(Detection, Detection.candidate_id == CandidateRow.id)
        .join(TrainingSample, TrainingSample.detection_id == Detection.id)
        .where(of_dataset)
    )
    return sorted(session.scalars(query))
