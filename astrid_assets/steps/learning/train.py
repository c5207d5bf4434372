"""Train a U-Net on a frozen dataset version, and judge it on the frozen test split.

A training has the identity of its dataset and settings: asked for again, the finished
one is returned; interrupted, it goes on from its last checkpoint. The model that
leaves this step is an ONNX file in the store with a row in the catalogue.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.steps import versions
from astrid_assets.steps.learning.opening import open_dataset, require_newest_dataset
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset, TrainingRun
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.learning.segmentation_task import EpochMetrics
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.tracking.client import Tracking

if TYPE_CHECKING:
    Scores = NDArray[np.float64]
    Rows = NDArray[np.int64]

EXPERIMENT = "trained_unet"
MODEL_NAME = "astrid-unet"
SCORED_AT_ONCE = 1024
"""Cutouts in memory while a split is scored."""


@dataclass(frozen=True)
class TrainedVersion:
    """A model, its training, and what it does on data it never saw."""

    model: Model
    run: TrainingRun
    evaluation: Evaluation
    history: list[EpochMetrics]
    was_known: bool


def train_model(
    tools: Tools,
    tracking: Tracking,
    settings: TrainingSettings,
    work_folder: Path,
    *,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> TrainedVersion:
    """Train on the newest dataset (or return the finished training of the same)."""
    # torch and lightning are loaded by this step only.
    from astrid_assets.learning.datamodule import TrainArrays
    from astrid_assets.learning.export import to_onnx
    from astrid_assets.learning.training import train

    row = require_newest_dataset(tools)
    settings_hash = ids.content_hash([versions.TRAIN, settings.model_dump(mode="json")])
    run_id = ids.training_run_id(row.id, settings_hash)
    arrays = open_dataset(tools, row, work_folder / "datasets")
    known = _finished(tools, run_id)
    if known is not None:
        model, run = known
        evaluation = evaluate_model(tools, model, arrays)
        history = list((run.performance_metrics or {}).get("history", []))
        return TrainedVersion(model, run, evaluation, history, was_known=True)

    with tools.catalogue.read() as session:
        previous = session.get(TrainingRun, run_id)
    parameters = settings.model_dump(mode="json")
    with tracking.start_run(
        f"unet-{row.content_hash[:8]}",
        experiment=EXPERIMENT,
        tags={
            "dataset_id": row.id,
            "dataset_sha256": row.content_hash,
            "training_run_id": run_id,
        },
        run_id=previous.mlflow_run_id if previous else None,
    ) as active:
        started = TrainingRun(
            id=run_id,
            dataset_id=row.id,
            mlflow_run_id=active.run_id,
            training_params=parameters,
            started_at=now(),
        )
        with tools.catalogue.begin() as session:
            upsert(session, [started])
        active.log_params(parameters)
        trained = train(
            arrays.stamps,
            TrainArrays(
                labels=arrays.is_real.astype(np.uint8),
                split=np.array(arrays.samples["split"].to_list()),
            ),
            settings,
            work_folder / "runs" / run_id,
            loggers=(tracking.lightning_logger(active.run_id),),
            on_epoch=on_epoch,
        )
        content = to_onnx(trained.network, trained.calibration)
        model = _keep_model(tools, content, run_id, row, arrays)
        evaluation = evaluate_model(tools, model, arrays)
        active.log_metrics(evaluation.flat())
        version = tracking.register_model(MODEL_NAME, content, active.run_id)
        active.set_tags({"model_id": model.id, "onnx_sha256": model.onnx_sha256})
        history = list(trained.history)
        model, run = _complete(tools, run_id, model.id, str(version), evaluation, history)
    return TrainedVersion(model, run, evaluation, history, was_known=False)


def _complete(
    tools: Tools,
    run_id: str,
    model_id: str,
    version: str,
    evaluation: Evaluation,
    history: list[EpochMetrics],
) -> tuple[Model, TrainingRun]:
    """Write down what a training came to; from here on it is known."""
    with tools.catalogue.begin() as session:
        model = session.get_one(Model, model_id)
        model.version = version
        model.metrics = evaluation.as_dict()
        run = session.get_one(TrainingRun, run_id)
        run.model_id = model_id
        run.performance_metrics = evaluation.as_dict() | {"history": history}
        run.status = "completed"
        run.completed_at = now()
    return model, run


def evaluate_model(
    tools: Tools, model: Model, arrays: DatasetArrays, rows: Rows | None = None
) -> Evaluation:
    """Judge a stored model on the frozen test split, beside the plain S/N ranking.

    Parameters
    ----------
    rows
        Rows of the version to judge it on; None: its whole test split.
    """
    from astrid_assets.learning.evaluation import evaluate
    from astrid_assets.learning.inference import OnnxScorer

    rows = arrays.indices("test") if rows is None else rows
    test = arrays.samples[rows]
    # Versions of before have no groups: objects stood for them.
    group = "group" if "group" in test.columns else "object_id"
    return evaluate(
        _scores(OnnxScorer(tools.store.get(model.onnx_key)), arrays, rows),
        arrays.is_real[rows],
        test["score_sigma"].to_numpy(),
        test[group].fill_null(test["detection_id"]).to_numpy().astype(str),
        threshold=model.threshold,
        slices={
            "survey": test["survey"].to_numpy().astype(str),
            "class": test["classification"].fill_null("").to_numpy().astype(str),
        },
    )


def _scores(scorer: OnnxScorer, arrays: DatasetArrays, rows: Rows) -> Scores:
    """Return the scores of rows, some cutouts at a time: a split may be gigabytes."""
    parts = [
        scorer.score(arrays.images(rows[start : start + SCORED_AT_ONCE]))
        for start in range(0, len(rows), SCORED_AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.float64)


def _finished(tools: Tools, run_id: str) -> tuple[Model, TrainingRun] | None:
    with tools.catalogue.read() as session:
        run = session.get(TrainingRun, run_id)
        if run is None or run.status != "completed" or run.model_id is None:
            return None
        model = session.get(Model, run.model_id)
    if model is None or not tools.store.exists(model.onnx_key):
        return None
    return model, run


def _keep_model(
    tools: Tools,
    content: bytes,
    run_id: str,
    dataset: TrainingDataset,
    arrays: DatasetArrays,
) -> Model:
    from astrid_assets.learning.evaluation import choose_threshold
    from astrid_assets.learning.inference import OnnxScorer

    sha256 = hashlib.sha256(content).hexdigest()
    # The threshold comes from the validation split; the test split stays unseen.
    val = arrays.indices("val")
    threshold = choose_threshold(_scores(OnnxScorer(content), arrays, val), arrays.is_real[val])
    key = tools.store.put(layout.model_key(MODEL_NAME), content, ".onnx")
    model_id = ids.model_id(sha256)
    row = Model(
        id=model_id,
        name=MODEL_NAME,
        version=dataset.content_hash[:8],
        training_run_id=run_id,
        onnx_sha256=sha256,
        onnx_key=key,
        metrics={},
        threshold=float(threshold),
        created_at=now(),
    )
    with tools.catalogue.begin() as session:
        upsert(session, [row])
        return session.get_one(Model, model_id)
