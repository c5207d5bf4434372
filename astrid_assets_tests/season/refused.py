"""Challengers that must be refused: taught nonsense, or broken."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import polars as pl
from onnx import numpy_helper

from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.steps.learning.opening import require_dataset
from astrid_assets.steps.learning.train import train_model
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset, TrainingRun
from astrid_assets.storage.database.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from astrid_assets.storage.database.tables.base import Base
    from astrid_assets_tests.season.world import SeasonWorld


def trained_on_shuffled_labels(
    world: SeasonWorld, training: Mapping[str, object], work: Path
) -> Model:
    """Train on the newest version with the labels of train and val mixed up.

    The masks would still say what is real, so nothing is learned from them.
    """
    right = require_dataset(world.tools)
    table = pl.read_parquet(io.BytesIO(world.store.get(right.samples_key)))
    rows = np.flatnonzero((table["split"] != "test").to_numpy())
    order = np.arange(len(table))
    order[rows] = np.random.default_rng(5).permutation(rows)
    buffer = io.BytesIO()
    table.with_columns(table["label"][order]).write_parquet(buffer)
    content_hash = ids.content_hash(["shuffled", right.content_hash])
    dataset_id = ids.dataset_id(content_hash)
    wrong = _columns(right) | {
        "id": dataset_id,
        "content_hash": content_hash,
        "samples_key": world.store.put("shuffled", buffer.getvalue(), ".parquet"),
        # The right one stays the newest.
        "status_at": right.created_at,
    }
    with world.catalogue.begin() as session:
        upsert(session, [TrainingDataset(**wrong)])
    settings = TrainingSettings.model_validate(
        {**training, "pixel_loss": "none", "overlap_loss": "none"}
    )
    made = train_model(world.tools, world.tracking, settings, work, dataset_id=dataset_id)
    with world.catalogue.begin() as session:
        row = session.get_one(TrainingDataset, dataset_id)
        row.status, row.status_reason = "retired", "its labels were mixed up"
    assert require_dataset(world.tools).id == right.id
    return made.model


def with_nan_weights(world: SeasonWorld, model: Model) -> Model:
    """Register a copy of a model whose weights are no numbers."""
    network = onnx.load_from_string(world.store.get(model.onnx_key))
    for weights in network.graph.initializer:
        values = numpy_helper.to_array(weights)
        # Vectors are limits and sizes, too.
        if values.dtype == np.float32 and values.ndim > 1:
            weights.CopyFrom(numpy_helper.from_array(np.full_like(values, np.nan), weights.name))
    content = network.SerializeToString()
    sha256 = hashlib.sha256(content).hexdigest()
    with world.catalogue.read() as session:
        run = session.get_one(TrainingRun, model.training_run_id)
    version = world.tracking.register_model(model.name, content, str(run.mlflow_run_id))
    broken = _columns(model) | {
        "id": ids.model_id(sha256),
        "version": str(version),
        "onnx_sha256": sha256,
        "onnx_key": world.store.put("models/broken", content, ".onnx"),
        "created_at": now(),
    }
    with world.catalogue.begin() as session:
        upsert(session, [Model(**broken)])
    return world.model(str(broken["id"]))


def _columns(row: Base) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
