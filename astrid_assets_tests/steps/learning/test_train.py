"""Training as a step: one model or none, whatever is cut off, on whatever machine."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select

from astrid_assets.compute import Compute
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.steps.learning.train import MODEL_NAME, TrainedVersion, train_model
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset, TrainingRun
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.tracking.client import Tracking
from astrid_assets.tracking.server import TrackingUnavailable
from astrid_assets_tests.learning.synthetic import synthetic_cutouts
from astrid_assets_tests.services import Wire
from astrid_assets_tests.tracking.mlflow_service import mlflow_url

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["mlflow_url"]

pytestmark = pytest.mark.slow

SETTINGS = TrainingSettings(
    epochs=3, cutouts_per_epoch=100, base_filters=2, depth=2, batch_size=16, learning_rate=1e-2
)


class Stop(Exception):
    """Ends a training from outside."""


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    catalogue = Catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    catalogue.migrate()
    tools = Tools(catalogue, FolderObjectStore(tmp_path / "store"), Compute())
    add_dataset(tools)
    return tools


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path}/mlflow.db")


def add_dataset(tools: Tools) -> None:
    """Put a version of 120 simulated cutouts into the store and the catalogue."""
    cutouts = synthetic_cutouts(np.random.default_rng(3), 120, 32)
    keys = {}
    for what, array in (("images", cutouts.images), ("masks", cutouts.masks)):
        buffer = io.BytesIO()
        np.save(buffer, array)
        keys[what] = tools.store.put(layout.shard_key(what), buffer.getvalue(), ".npy")
    table = io.BytesIO()
    pl.DataFrame(
        {
            "detection_id": [f"d{number}" for number in range(120)],
            "observation_id": ["f"] * 120,
            "object_id": [f"o{number}" for number in range(120)],
            "night": ["2025-03-01"] * 120,
            "source": ["person"] * 120,
            "label": np.where(cutouts.labels == 1, "real", "bogus"),
            "classification": [""] * 120,
            "survey": ["s"] * 120,
            "score_sigma": cutouts.snr,
            "split": cutouts.arrays().split,
        }
    ).write_parquet(table)
    row = {
        "id": ids.dataset_id("d"),
        "content_hash": "d" * 64,
        "name": "d",
        "collection_params": {},
        "total_samples": 120,
        "anomaly_ratio": float(cutouts.labels.mean()),
        "quality_score": 0.9,
        "quality_report": {},
        "shards": [keys | {"rows": 120}],
        "samples_key": tools.store.put(layout.samples_key("d" * 64), table.getvalue(), ".parquet"),
        "last_sequence": 0,
        "created_at": now(),
        "created_by": "test",
        "status": "active",
        "status_at": now(),
    }
    with tools.catalogue.begin() as session:
        upsert(session, [TrainingDataset(**row)])


def trained(tools: Tools, tracking: Tracking, work: Path, **how) -> TrainedVersion:
    return train_model(tools, tracking, SETTINGS, work, **how)


def run_of(tools: Tools) -> TrainingRun:
    with tools.catalogue.read() as session:
        return session.scalars(select(TrainingRun)).one()


def count_models(tools: Tools) -> int:
    with tools.catalogue.read() as session:
        return len(session.scalars(select(Model)).all())


def versions_of(tracking: Tracking) -> int:
    return len(tracking.client().search_model_versions(f"name = '{MODEL_NAME}'"))


def curve(tracking: Tracking, run_id: str) -> list[int]:
    history = tracking.client().get_metric_history(run_id, "val_loss")
    return sorted(point.step for point in history)


def stop_after_first(metrics: dict[str, float]) -> None:
    raise Stop("the machine is needed elsewhere")


def test_a_training_that_was_cut_off_goes_on_elsewhere_to_the_same_model(tools, tracking, tmp_path):
    whole = trained(tools, tracking, tmp_path / "whole")
    run = run_of(tools)
    assert run.status == "completed"
    assert run.performance_metrics is not None
    cost = run.performance_metrics["cost"]
    assert cost["cutouts"] > 0
    kept = tracking.client().get_run(str(run.mlflow_run_id)).data.metrics
    assert kept["cost/cutouts_per_s"] == pytest.approx(cost["cutouts"] / cost["seconds"])
    known = trained(tools, tracking, tmp_path / "whole")
    assert known.was_known
    assert known.model.onnx_sha256 == whole.model.onnx_sha256

    other = Catalogue(f"sqlite:///{tmp_path}/other.db")
    other.migrate()
    elsewhere = Tools(other, FolderObjectStore(tmp_path / "other store"), Compute())
    add_dataset(elsewhere)
    tracking = Tracking(f"sqlite:///{tmp_path}/other mlflow.db")
    with pytest.raises(Stop):
        trained(elsewhere, tracking, tmp_path / "here", on_epoch=stop_after_first)
    run = run_of(elsewhere)
    assert (run.status, run.reason) == ("failed", "Stop: the machine is needed elsewhere")
    assert count_models(elsewhere) == versions_of(tracking) == 0

    epochs = []
    there = trained(elsewhere, tracking, tmp_path / "there", on_epoch=epochs.append)
    assert [entry["epoch"] for entry in epochs] == [1, 2]
    assert there.model.onnx_sha256 == whole.model.onnx_sha256
    run = run_of(elsewhere)
    assert (run.status, run.reason, run.model_id) == ("completed", None, there.model.id)
    assert count_models(elsewhere) == versions_of(tracking) == 1
    assert curve(tracking, str(run.mlflow_run_id)) == [0, 1, 2]
    # One archive: of the last epoch.
    archives = list(elsewhere.store.list(layout.checkpoints_prefix(run.id)))
    assert len(archives) == 1
    assert "epoch_00002" in archives[0]


def test_an_interrupt_is_told_from_a_failure(tools, tracking, tmp_path):
    def interrupt(metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tools, tracking, tmp_path / "work", on_epoch=interrupt)
    assert run_of(tools).status == "interrupted"


def test_mlflow_may_go_away_in_the_middle(tools, tmp_path, mlflow_url):
    host, port = mlflow_url.removeprefix("http://").split(":")
    wire = Wire(socket.AF_INET, (host, int(port)))
    tracking = Tracking(f"http://127.0.0.1:{wire.port}")

    wire.cut()
    with pytest.raises(TrackingUnavailable, match="MLflow"):
        trained(tools, tracking, tmp_path / "work")
    assert run_of(tools).status == "interrupted"

    wire.mend()

    def cut_once(metrics):
        if metrics["epoch"] == 0:
            wire.cut()

    with pytest.raises(TrackingUnavailable, match="MLflow"):
        trained(tools, tracking, tmp_path / "work", on_epoch=cut_once)
    run = run_of(tools)
    assert run.status == "interrupted"
    assert run.reason is not None
    assert count_models(tools) == 0

    wire.mend()
    epochs = []
    found = trained(tools, tracking, tmp_path / "work", on_epoch=epochs.append)
    assert epochs == []  # all were done when MLflow was away
    assert run_of(tools).status == "completed"
    assert curve(tracking, str(found.run.mlflow_run_id)) == [0, 1, 2]
    assert count_models(tools) == 1
    wire.cut()
