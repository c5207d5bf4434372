"""Tables of training sets, trainings, models and deployments."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.storage.database.tables.base import Base, Id, Json


class Model(Base, kw_only=True):
    """A trained network in its deployable form."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the ONNX file's bytes."""
    name: Mapped[str] = mapped_column(String(80))
    """Name of the model in MLflow's registry."""
    version: Mapped[str] = mapped_column(String(40))
    """Version in MLflow's registry."""
    training_run_id: Mapped[str | None] = mapped_column(
        ForeignKey("training_runs.id", use_alter=True), default=None
    )
    """The training that it came from."""
    onnx_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the ONNX file's bytes."""
    onnx_key: Mapped[str] = mapped_column(Text)
    """Object key of the ONNX file."""
    metrics: Mapped[Json]
    """Metrics on the frozen test split, each with its 95 % interval."""
    threshold: Mapped[float]
    """Score at and above which the model calls a detection real."""
    created_at: Mapped[dt.datetime]
    """When it was stored (UTC)."""
    package: Mapped[Json | None] = mapped_column(default=None)
    """Object key and SHA-256 of weights and model card, the version of the cutouts that it takes,
    and the code that trained it; None for models of before."""


class TrainingDataset(Base, kw_only=True):
    """A frozen dataset version; its `content_hash` is its identity."""

    __tablename__ = "training_datasets"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the content hash."""
    content_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Hash of the samples, their labels, cutouts and splits."""
    name: Mapped[str]
    """Name of the dataset, from the settings."""
    description: Mapped[str | None] = mapped_column(Text, default=None)
    """Free text; None where none was given."""
    collection_params: Mapped[Json]
    """The settings that it was collected with."""
    total_samples: Mapped[int]
    """Number of labelled cutouts."""
    anomaly_ratio: Mapped[float]
    """Fraction of samples that are real."""
    quality_score: Mapped[float]
    """Quality of the worst part of the set, 0 to 1; every limit lies at 0.8."""
    quality_report: Mapped[Json]
    """The numbers behind the quality, and the limits that are broken."""
    collection_report: Mapped[Json | None] = mapped_column(default=None)
    """What its first collection looked at and left out, by reason, and how long it took; None
    for versions of before."""
    shards: Mapped[list[Any]] = mapped_column(nullable=True)
    """Object keys of cutouts and masks with their number of rows, in the order of the rows:
    ``images`` (rows, 3, 64, 64), science, reference and S_corr; ``masks`` (rows, 64, 64),
    1 inside a real source."""
    samples_key: Mapped[str] = mapped_column(Text)
    """Object key of the table of samples (Parquet), in the order of the shards' rows."""
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    """Newest validation event it has seen; the retraining sensor counts from it."""
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64), default=None)
    """The run of MLflow that lists it; None before it is listed."""
    created_at: Mapped[dt.datetime]
    """When it was collected (UTC)."""
    created_by: Mapped[str]
    """Name of the user or program that asked for it."""
    status: Mapped[str] = mapped_column(String(50), default="active")
    """active | superseded (by a newer version of its name) | refused (by the quality gate) |
    retired (by a user); nobody trains on the last two."""
    status_reason: Mapped[str | None] = mapped_column(Text, default=None)
    """Why it has this state, in a sentence; None where it never had another one."""
    status_by: Mapped[str | None] = mapped_column(default=None)
    """Name of the user or program that gave the state; None where none was given."""
    status_at: Mapped[dt.datetime] = mapped_column(nullable=True)
    """When it got this state (UTC)."""


class SurveyScore(Base, kw_only=True):
    """The score that a survey's own network gives an alert: a number, and no label."""

    __tablename__ = "survey_scores"
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    """The alert's detection."""
    name: Mapped[str] = mapped_column(String(40))
    """Name of the score at the survey, such as ``drb``."""
    score: Mapped[float]
    """0 (bogus) to 1 (real)."""
    imported_at: Mapped[dt.datetime]
    """When it was first imported (UTC)."""


class TrainingSample(Base, kw_only=True):
    """One labelled cutout of a dataset; `split`: train | val | test | spare."""

    __tablename__ = "training_samples"
    __table_args__ = (UniqueConstraint("dataset_id", "detection_id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the dataset and the detection."""
    dataset_id: Mapped[str] = mapped_column(ForeignKey("training_datasets.id"), index=True)
    """The dataset that it belongs to."""
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"))
    """The science frame."""
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"))
    """The detection that was labelled."""
    image_path: Mapped[str] = mapped_column(String(500))
    """Object key of the cutouts and index in that array, ``key#17``."""
    mask_path: Mapped[str] = mapped_column(String(500))
    """Object key of the masks and index in that array, ``key#17``."""
    labels: Mapped[Json]
    """Label, class, source of the label and agreement of the votes."""
    metadata_: Mapped[Json] = mapped_column("metadata")
    """Survey, night and S_corr of the detection."""
    split: Mapped[str] = mapped_column(String(10))
    """train | val | test."""
    content_hash: Mapped[str] = mapped_column(String(64))
    """Hash of its cutouts, mask and label."""
    created_at: Mapped[dt.datetime]
    """When the dataset was collected (UTC)."""


class SplitRule(Base, kw_only=True):
    """How sides of new groups are drawn: one row, written by the first collection.

    Other settings of a later collection redraw nothing.
    """

    __tablename__ = "split_rules"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Always 1."""
    seed: Mapped[int] = mapped_column(BigInteger)
    """Seed of the draw."""
    val_fraction: Mapped[float]
    """Expected share of the groups that validates."""
    test_fraction: Mapped[float]
    """Expected share of the groups that tests."""
    given_at: Mapped[dt.datetime]
    """When it was fixed (UTC)."""


class SplitSide(Base, kw_only=True):
    """A position, object or set of pixels, and the side that its group was given.

    A side never changes but by a merge of groups, and then only train -> val -> test.
    """

    __tablename__ = "split_sides"
    __table_args__ = (Index("ix_split_sides_sky", "sky", "cell"),)
    key: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of what it is: of sky and position, of the object's id, or of the pixels."""
    kind: Mapped[str] = mapped_column(String(10))
    """position | object | pixels."""
    sky: Mapped[str] = mapped_column(String(120), default="")
    """Sky that the position is on: surveys of one sky share it; empty for other kinds."""
    cell: Mapped[int | None] = mapped_column(BigInteger, default=None)
    """Pixel of the nested HEALPix grid of order 8 (0.2 degrees), for searches."""
    ra_deg: Mapped[float | None] = mapped_column(default=None)
    """Right ascension; on the sky of a single frame, the column in arcsec per pixel."""
    dec_deg: Mapped[float | None] = mapped_column(default=None)
    """Declination; on the sky of a single frame, the row in arcsec per pixel."""
    group_name: Mapped[str] = mapped_column(Id, index=True)
    """The group that it belongs to: all of one group stand on one side."""
    side: Mapped[str] = mapped_column(String(10))
    """train | val | test."""
    given_at: Mapped[dt.datetime]
    """When it was first given a side (UTC)."""
    cause: Mapped[str] = mapped_column(Text)
    """Why this side: drawn, a class that the split lacked, a group that was known, a merge."""


class TrainingRun(Base, kw_only=True):
    """One training; ``status``: running | completed | failed | interrupted.

    One that was killed stays ``running``. The next attempt resumes whatever did not
    complete. How each attempt ended is in MLflow and Dagster.
    """

    __tablename__ = "training_runs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the dataset and the settings."""
    dataset_id: Mapped[str] = mapped_column(ForeignKey("training_datasets.id"))
    """The dataset that it was trained on."""
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"), default=None)
    """The model that came out; None while it runs."""
    mlflow_run_id: Mapped[str | None] = mapped_column(String(255), default=None)
    """The run of MLflow with its curves."""
    training_params: Mapped[Json]
    """The settings of the training."""
    performance_metrics: Mapped[Json | None] = mapped_column(default=None)
    """Metrics on the frozen test split, of the model and of the plain S/N ranking."""
    status: Mapped[str] = mapped_column(String(50), default="running")
    """running | completed | failed | interrupted."""
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    """Why it failed or was interrupted, in a sentence."""
    started_at: Mapped[dt.datetime]
    """When it was first started (UTC)."""
    completed_at: Mapped[dt.datetime | None] = mapped_column(default=None)
    """When it was completed (UTC); None until then."""


class ModelEvaluation(Base, kw_only=True):
    """How good a model, or a way of training, is on detections that it never saw.

    ``kind``: split (rows of a dataset that its training never saw) | folds |
    folds_by_time (cross-validation: `model_id` is None, its networks are not kept).
    """

    __tablename__ = "model_evaluations"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of what was judged, on what, and with which settings."""
    kind: Mapped[str] = mapped_column(String(20))
    """split | folds | folds_by_time."""
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"), default=None, index=True)
    """The model; None for a cross-validation."""
    dataset_id: Mapped[str] = mapped_column(ForeignKey("training_datasets.id"), index=True)
    """The dataset version that it was judged on."""
    settings: Mapped[Json]
    """What was asked for; of a cross-validation the settings of the training too."""
    metrics: Mapped[Json]
    """All numbers with their intervals, curves, and numbers of the pixels."""
    scores_key: Mapped[str] = mapped_column(Text)
    """Object key of the table of scores (Parquet), a row for each judged detection."""
    pictures: Mapped[Json]
    """Object keys of the pictures (PNG) by name."""
    created_at: Mapped[dt.datetime]
    """When it was judged (UTC)."""


class Search(Base, kw_only=True):
    """A search for training settings; asked for again, it goes on where it was cut off."""

    __tablename__ = "searches"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the dataset, the settings of the training and those of the search."""
    dataset_id: Mapped[str] = mapped_column(ForeignKey("training_datasets.id"))
    """The dataset whose train and val splits were used."""
    training_params: Mapped[Json]
    """The settings of the training that were not searched."""
    search_params: Mapped[Json]
    """The settings of the search, its space among them."""
    best_settings: Mapped[Json | None] = mapped_column(default=None)
    """The values of the best trial; None until it is completed."""
    importance: Mapped[Json | None] = mapped_column(default=None)
    """Share of the metric's variance that each setting explains; None with few trials."""
    mlflow_run_id: Mapped[str | None] = mapped_column(String(255), default=None)
    """The run of MLflow whose children are the trials."""
    status: Mapped[str] = mapped_column(String(50), default="running")
    """running | completed | failed | interrupted."""
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    """Why it failed, was interrupted, or ended before its last trial, in a sentence."""
    started_at: Mapped[dt.datetime]
    """When it was first started (UTC)."""
    completed_at: Mapped[dt.datetime | None] = mapped_column(default=None)
    """When it was completed (UTC); None until then."""


class SearchTrial(Base, kw_only=True):
    """One combination of settings that a search tried."""

    __tablename__ = "search_trials"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the search and the values."""
    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"), index=True)
    """The search that it belongs to."""
    number: Mapped[int]
    """Counts the trials of a search in the order of their begin, from 1."""
    values: Mapped[Json]
    """The values tried, by the name of the setting."""
    history: Mapped[list[Any]]
    """One entry per epoch: losses, val AUC, learning rate."""
    status: Mapped[str] = mapped_column(String(50), default="running")
    """running (or cut off) | finished | stopped (others were better) | failed."""
    error: Mapped[str | None] = mapped_column(Text, default=None)
    """Why it failed."""
    seconds: Mapped[float] = mapped_column(default=0.0)
    """Wall time of its epochs, seconds."""
    mlflow_run_id: Mapped[str | None] = mapped_column(String(255), default=None)
    """Its run of MLflow; None before it has ended."""


class Deployment(Base, kw_only=True):
    """A decision about a champion; the newest row of a scope that is no keep is in force.

    ``action``: deploy | keep (the gate refused the challenger) | rollback | common (the survey
    has no champion of its own any more). Each row that changes which model scores names the one
    that it follows, and none is followed twice: of two deployments at once, the database lets
    one in.
    """

    __tablename__ = "deployments"
    __table_args__ = (Index("ix_deployments_scope_follows", "scope", "follows", unique=True),)
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        init=False,
    )
    """Number of the decision; the larger, the newer."""
    action: Mapped[str] = mapped_column(String(20))
    """deploy | keep | rollback | common."""
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    """The model in force after this row for deploy and rollback; the refused challenger for keep;
    the common champion of that time for common, which is followed whatever comes into force."""
    previous_model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"), default=None)
    """The model in force before; None for the first."""
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("training_datasets.id"), default=None)
    """The dataset whose test split decided; None where none was compared."""
    reason: Mapped[str] = mapped_column(Text)
    """What was compared, and the outcome, in a sentence."""
    metrics: Mapped[Json]
    """Metrics of the challenger and of the champion on that test split."""
    created_at: Mapped[dt.datetime]
    """When it was decided (UTC)."""
    scope: Mapped[str] = mapped_column(String(40), default="", server_default=text("''"))
    """Survey whose detections the decision is about; empty: all without a champion of their
    own."""
    follows: Mapped[int | None] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), default=None
    )
    """Number of the row before that changed the scope's model, 0 for none; None for keep."""
    canary: Mapped[Json | None] = mapped_column(default=None)
    """What the model did once it was in force; None before it was looked at, and for keep."""
