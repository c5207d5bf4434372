"""A frozen version of made-up cutouts and a small model trained on it, without MLflow."""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from astrid_assets.compute import Compute
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.learning.training import train
from astrid_assets.steps.learning.golden import GOLDEN, golden_record
from astrid_assets.steps.learning.opening import DatasetArrays, open_dataset
from astrid_assets.steps.learning.train import train_arrays
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset, TrainingRun
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.learning.synthetic import Synthetic, synthetic_cutouts

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = TrainingSettings(
    epochs=2,
    cutouts_per_epoch=120,
    base_filters=2,
    depth=2,
    batch_size=16,
    learning_rate=1e-2,
    size=32,
)
COUNT = 200


@dataclass(frozen=True)
class JudgedWorld:
    """A version, its cutouts, and a model that was trained on it."""

    tools: Tools
    arrays: DatasetArrays
    cutouts: Synthetic
    model: Model
    work: Path


def judged_world(folder: Path) -> JudgedWorld:
    """Train a small model that sees the middle of 200 cutouts, two detections to an object."""
    tools = Tools(new_catalogue(folder), FolderObjectStore(folder / "store"), Compute())
    cutouts = synthetic_cutouts(np.random.default_rng(3), COUNT, 64)
    row = _dataset(tools, cutouts)
    arrays = open_dataset(tools, row, folder / "work" / "datasets")
    trained = train(arrays.stamps, train_arrays(arrays), SETTINGS, folder / "run")
    content = to_onnx(trained.network, trained.calibration)
    sha256 = hashlib.sha256(content).hexdigest()
    run = TrainingRun(
        id="run",
        dataset_id=row.id,
        training_params=SETTINGS.model_dump(mode="json"),
        status="completed",
        started_at=now(),
    )
    model = Model(
        id=ids.model_id(sha256),
        name="astrid-unet",
        version="1",
        training_run_id="run",
        onnx_sha256=sha256,
        onnx_key=tools.store.put(layout.model_key("astrid-unet"), content, ".onnx"),
        metrics={
            "calibration": asdict(trained.calibration),
            GOLDEN: golden_record(arrays, trained.network, trained.calibration),
        },
        threshold=0.5,
        created_at=now(),
    )
    with tools.catalogue.begin() as session:
        upsert(session, [run])
        upsert(session, [model])
    return JudgedWorld(tools, arrays, cutouts, model, folder / "work")


def _dataset(tools: Tools, cutouts: Synthetic) -> TrainingDataset:
    keys = {}
    for what, array in (("images", cutouts.images), ("masks", cutouts.masks)):
        buffer = io.BytesIO()
        np.save(buffer, array)
        keys[what] = tools.store.put(layout.shard_key(what), buffer.getvalue(), ".npy")
    number = np.arange(COUNT)
    table = io.BytesIO()
    # Real and bogus keep their object to themselves.
    objects = [f"o{n // 2}{label}" for n, label in zip(number, cutouts.labels, strict=True)]
    pl.DataFrame(
        {
            "detection_id": [f"d{n}" for n in number],
            "observation_id": [f"f{n // 10}" for n in number],
            "object_id": objects,
            "group": objects,
            "label": np.where(cutouts.labels == 1, "real", "bogus"),
            "classification": ["supernova" if label else None for label in cutouts.labels],
            "survey": ["wide"] * COUNT,
            "night": [f"2025-03-{1 + n // 10:02d}" for n in number],
            "source": np.where(number % 5 == 4, "survey_score", "person"),
            "train_only": number % 5 == 4,
            "score_sigma": cutouts.snr,
            "split": cutouts.arrays(val=0.25, test=0.35).split,
            "sky": ["icrs"] * COUNT,
            "ra_deg": 10.0 + number,
            "dec_deg": np.zeros(COUNT),
        }
    ).write_parquet(table)
    row = TrainingDataset(
        id=ids.dataset_id("d"),
        content_hash="d" * 64,
        name="d",
        collection_params={},
        total_samples=COUNT,
        anomaly_ratio=float(cutouts.labels.mean()),
        quality_score=0.9,
        quality_report={},
        shards=[keys | {"rows": COUNT}],
        samples_key=tools.store.put(layout.samples_key("d" * 64), table.getvalue(), ".parquet"),
        last_sequence=0,
        created_at=now(),
        created_by="test",
        status_at=now(),
    )
    with tools.catalogue.begin() as session:
        upsert(session, [row])
    return row
