"""Tables of training sets, trainings, models and deployments."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.storage.database.tables.base import Base, Id, Json


class Model(Base):
    """A trained network in its deployable form."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    version: Mapped[str] = mapped_column(String(40))
    training_run_id: Mapped[str | None] = mapped_column(
        ForeignKey("training_runs.id", use_alter=True)
    )
    onnx_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    onnx_key: Mapped[str] = mapped_column(Text)
    metrics: Mapped[Json]
    threshold: Mapped[float]
    """Score at and above which the model calls a detection real."""
    created_at: Mapped[dt.datetime]


class TrainingDataset(Base):
    """A frozen dataset version; its `content_hash` is its identity."""

    __tablename__ = "training_datasets"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    content_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str]
    description: Mapped[str | None] = mapped_column(Text)
    collection_params: Mapped[Json]
    total_samples: Mapped[int]
    anomaly_ratio: Mapped[float]
    quality_score: Mapped[float]
    quality_report: Mapped[Json]
    images_key: Mapped[str] = mapped_column(Text)
    masks_key: Mapped[str] = mapped_column(Text)
    samples_key: Mapped[str] = mapped_column(Text)
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    """Newest validation event it has seen; the retraining sensor counts from it."""
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[dt.datetime]
    created_by: Mapped[str]
    status: Mapped[str] = mapped_column(String(50), default="active")


class TrainingSample(Base):
    """One labelled cutout of a dataset; `split`: train | val | test."""

    __tablename__ = "training_samples"
    __table_args__ = (UniqueConstraint("dataset_id", "detection_id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("training_datasets.id"), index=True)
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"))
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"))
    image_path: Mapped[str] = mapped_column(String(500))
    mask_path: Mapped[str] = mapped_column(String(500))
    labels: Mapped[Json]
    metadata_: Mapped[Json] = mapped_column("metadata")
    split: Mapped[str] = mapped_column(String(10))
    content_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[dt.datetime]


class TrainingRun(Base):
    """One training; ``status``: running | completed.

    One that failed or was killed stays ``running``: the next attempt resumes it. How
    each attempt ended is in MLflow and Dagster.
    """

    __tablename__ = "training_runs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("training_datasets.id"))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    mlflow_run_id: Mapped[str | None] = mapped_column(String(255))
    training_params: Mapped[Json]
    performance_metrics: Mapped[Json | None]
    status: Mapped[str] = mapped_column(String(50), default="running")
    started_at: Mapped[dt.datetime]
    completed_at: Mapped[dt.datetime | None]


class Deployment(Base):
    """A decision about the champion; the newest deploy or rollback row is in force.

    ``action``: deploy | keep (the gate refused the challenger) | rollback.
    """

    __tablename__ = "deployments"
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    )
    action: Mapped[str] = mapped_column(String(20))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    """The model in force after this row for deploy and rollback; the refused
    challenger for keep."""
    previous_model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("training_datasets.id"))
    reason: Mapped[str] = mapped_column(Text)
    metrics: Mapped[Json]
    created_at: Mapped[dt.datetime]
