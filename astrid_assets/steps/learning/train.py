"""Train a U-Net on a frozen dataset version, and judge it on the frozen test split.

A training has the identity of its dataset and settings: asked for again, the finished
one is returned; interrupted, it goes on from its last checkpoint. The model that
leaves this step is an ONNX file in the store with a row in the catalogue.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.steps import versions
from astrid_assets.steps.learning.checkpoints import StoredCheckpoints
from astrid_assets.steps.learning.curves import TrainingCurves
from astrid_assets.steps.learning.evaluate import (
    judge_model,
    keep_evaluation,
    scores_of_rows,
    with_training_curves,
)
from astrid_assets.steps.learning.golden import GOLDEN, golden_record
from astrid_assets.steps.learning.nightly_bogus import bogus_per_night
from astrid_assets.steps.learning.opening import open_dataset, require_dataset
from astrid_assets.steps.learning.package import keep_package
from astrid_assets.steps.learning.recording import log_as_input
from astrid_assets.steps.learning.survey_calibrations import SURVEYS, calibrate_surveys, kept_form
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset, TrainingRun
from astrid_assets.storage.database.upsert import insert_new, upsert
from astrid_assets.storage.objects import layout
from astrid_assets.tracking.server import TrackingUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from astrid_assets.learning.datamodule import TrainArrays
    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.learning.segmentation_task import EpochMetrics
    from astrid_assets.learning.settings import ThresholdSettings, TrainingSettings
    from astrid_assets.learning.training import TrainedModel
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.tracking.client import Tracking
    from astrid_assets.tracking.run import ActiveRun

EXPERIMENT = "trained_unet"
MODEL_NAME = "astrid-unet"
MAX_REASON = 2000  # characters kept of why a training ended
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedVersion:
    """A model, its training, and what it does on data it never saw."""

    model: Model
    run: TrainingRun
    evaluation: Evaluation
    history: list[EpochMetrics]
    was_known: bool
    pictures: dict[str, bytes]


def train_model(
    tools: Tools,
    tracking: Tracking,
    settings: TrainingSettings,
    work_folder: Path,
    *,
    dataset_id: str | None = None,
    target: ThresholdSettings | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> TrainedVersion:
    """Train on a dataset version (or return the finished training of the same).

    Model, metrics and the entry in the registry appear together: a training that is cut
    off anywhere leaves none of them and goes on when it is asked for again, on this
    machine or, from the checkpoints in the store, on another.

    Parameters
    ----------
    dataset_id
        Its id, or the beginning of it; None: the version that became active last.
    target
        What the threshold is chosen for; a finished training keeps its own.
    on_epoch
        Called after each epoch with its entry of the history.

    Raises
    ------
    NoDataset
        If there is no dataset version to train on, or it was refused or retired.
    TrackingUnavailable
        If MLflow does not answer at the start, or is gone when its registry is to take
        the model; what was trained is kept.
    """
    # torch and lightning are loaded by this step only.
    from astrid_assets.learning.settings import WHERE_IT_RUNS

    row = require_dataset(tools, dataset_id)
    settings_hash = ids.content_hash(
        [versions.TRAIN, settings.model_dump(mode="json", exclude=set(WHERE_IT_RUNS))]
    )
    run_id = ids.training_run_id(row.id, settings_hash)
    arrays = open_dataset(tools, row, work_folder / "datasets")
    known = _finished(tools, run_id)
    if known is not None:
        model, run = known
        history = list((run.performance_metrics or {}).get("history", []))
        judged = with_training_curves(judge_model(tools, model, arrays), history)
        keep_evaluation(tools, judged, arrays, kind="split", settings={}, model=model)
        return TrainedVersion(
            model, run, judged.evaluation, history, was_known=True, pictures=judged.pictures
        )

    with tools.catalogue.read() as session:
        previous = session.get(TrainingRun, run_id)
    with (
        _kept_status(tools, run_id, row, settings),
        tracking.start_run(
            f"unet-{row.content_hash[:8]}",
            experiment=EXPERIMENT,
            tags={
                "dataset_id": row.id,
                "dataset_sha256": row.content_hash,
                "training_run_id": run_id,
            },
            run_id=previous.mlflow_run_id if previous else None,
        ) as active,
    ):
        with tools.catalogue.begin() as session:
            session.get_one(TrainingRun, run_id).mlflow_run_id = active.run_id
        active.log_params(settings.model_dump(mode="json"))
        log_as_input(active, arrays)
        trained = _trained(tools, arrays, settings, run_id, work_folder, active, on_epoch)
        return _registered(tools, tracking, active, trained, arrays, run_id, target)


@contextmanager
def _kept_status(
    tools: Tools, run_id: str, dataset: TrainingDataset, settings: TrainingSettings
) -> Iterator[None]:
    """Keep in the catalogue that a training runs, and how it ended if not well."""
    started = TrainingRun(
        id=run_id,
        dataset_id=dataset.id,
        training_params=settings.model_dump(mode="json"),
        started_at=now(),
    )
    with tools.catalogue.begin() as session:
        insert_new(session, [started], "id")
        run = session.get_one(TrainingRun, run_id)
        run.status, run.reason = "running", None
    try:
        yield
    except BaseException as error:
        is_stopped = not isinstance(error, Exception) or isinstance(error, TrackingUnavailable)
        with tools.catalogue.begin() as session:
            run = session.get_one(TrainingRun, run_id)
            run.status = "interrupted" if is_stopped else "failed"
            run.reason = f"{type(error).__name__}: {error}"[:MAX_REASON]
        raise


def _trained(
    tools: Tools,
    arrays: DatasetArrays,
    settings: TrainingSettings,
    run_id: str,
    work_folder: Path,
    active: ActiveRun,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> TrainedModel:
    """Train, or go on; each epoch's checkpoint and curves are kept as they come."""
    from astrid_assets.learning.checkpoints import BEST, LAST
    from astrid_assets.learning.training import member_folder, train

    run_dir = work_folder / "runs" / run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    checkpoints = StoredCheckpoints(tools.store, run_id, run_dir, (LAST, BEST))
    checkpoints.fetch()
    curves = TrainingCurves(active)

    def after_epoch(metrics: EpochMetrics) -> None:
        member, epoch = int(metrics["member"]), int(metrics["epoch"])
        is_last = epoch + 1 == settings.epochs
        checkpoints.send(member_folder(run_dir, member), member, epoch, is_last=is_last)
        curves.add(metrics)
        if on_epoch is not None:
            on_epoch(metrics)

    trained = train(arrays.stamps, train_arrays(arrays), settings, run_dir, on_epoch=after_epoch)
    for member in range(settings.members):
        epoch = sum(entry["member"] == member for entry in trained.history) - 1
        checkpoints.send(member_folder(run_dir, member), member, epoch, is_last=True)
    curves.finish(trained.history)
    return trained


def train_arrays(arrays: DatasetArrays) -> TrainArrays:
    """Return labels, splits, weights and measurements of a dataset version."""
    from astrid_assets.learning.datamodule import TrainArrays

    samples = arrays.samples
    return TrainArrays(
        labels=arrays.is_real.astype(np.uint8),
        split=np.array(samples["split"].to_list()),
        weights=(
            samples["weight"].to_numpy().astype(np.float32) if "weight" in samples.columns else None
        ),
        measurements=arrays.measurements(),
    )


def _registered(
    tools: Tools,
    tracking: Tracking,
    active: ActiveRun,
    trained: TrainedModel,
    arrays: DatasetArrays,
    run_id: str,
    target: ThresholdSettings | None,
) -> TrainedVersion:
    """Store, judge and name a model in MLflow; the catalogue knows all of it at once, last."""
    from astrid_assets.learning.export import to_onnx
    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.learning.metrics.targets import choose_threshold

    content = to_onnx(trained.network, trained.calibration, arrays.stamps.size)
    sha256 = hashlib.sha256(content).hexdigest()
    # The threshold comes from the validation split; the test split stays unseen.
    val = arrays.indices("val")
    val_scores = scores_of_rows(OnnxScorer(content), arrays, val)
    chosen = choose_threshold(
        val_scores,
        arrays.is_real[val],
        target,
        bogus_per_night=bogus_per_night(tools, arrays),
    )
    surveys = calibrate_surveys(
        tools,
        arrays,
        val_scores,
        prevalence=trained.calibration.prevalence,
        threshold=chosen.threshold,
    )
    model = Model(
        id=ids.model_id(sha256),
        name=MODEL_NAME,
        version="",
        training_run_id=run_id,
        onnx_sha256=sha256,
        onnx_key=tools.store.put(layout.model_key(MODEL_NAME), content, ".onnx"),
        metrics={},
        threshold=chosen.threshold,
        created_at=now(),
    )
    history = list(trained.history)
    judged = with_training_curves(judge_model(tools, model, arrays), history)
    active.log_metrics(judged.evaluation.flat() | trained.cost.flat())
    for name, picture in judged.pictures.items():
        active.log_bytes(picture, f"evaluation/{name}.png")
    active.set_tags({"model_id": model.id, "onnx_sha256": sha256})
    model.version = str(tracking.register_model(MODEL_NAME, content, active.run_id))
    model.metrics = judged.evaluation.as_dict() | {
        "calibration": asdict(trained.calibration),
        "chosen_threshold": asdict(chosen),
        SURVEYS: kept_form(surveys, chosen.threshold),
        GOLDEN: golden_record(arrays, trained.network, trained.calibration),
    }
    model.package = keep_package(tools, active, model, trained, arrays)
    with tools.catalogue.begin() as session:
        upsert(session, [model])
        run = session.get_one(TrainingRun, run_id)
        run.model_id = model.id
        run.performance_metrics = judged.evaluation.as_dict() | {
            "history": history,
            "cost": trained.cost.as_dict(),
        }
        run.status, run.reason, run.completed_at = "completed", None, now()
        stored = session.get_one(Model, model.id)
    keep_evaluation(tools, judged, arrays, kind="split", settings={}, model=stored)
    return TrainedVersion(
        stored, run, judged.evaluation, history, was_known=False, pictures=judged.pictures
    )


def _finished(tools: Tools, run_id: str) -> tuple[Model, TrainingRun] | None:
    with tools.catalogue.read() as session:
        run = session.get(TrainingRun, run_id)
        if run is None or run.status != "completed" or run.model_id is None:
            return None
        model = session.get(Model, run.model_id)
    if model is None or not tools.store.exists(model.onnx_key):
        return None
    return model, run
