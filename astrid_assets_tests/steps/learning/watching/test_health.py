"""The health of a model that errs more than it did: measured, shown, reported, acted on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pytest
from onnx import TensorProto, helper
from sqlalchemy import update

from astrid_assets.compute import Compute
from astrid_assets.jobs import health_job
from astrid_assets.sensors.alerts import alerts_since
from astrid_assets.steps.learning.retraining.decision import should_retrain
from astrid_assets.steps.learning.retraining.facts import facts_of
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.queries import watching
from astrid_assets.tracking.client import Tracking
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.sensors.labelled import add_dataset, add_labels, deploy

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.storage.database.catalogue import Catalogue

SHARES = {
    "completeness": {"value": 0.98, "low": 0.95, "high": 1.0},
    "false_positive_rate": {"value": 0.01, "low": 0.0, "high": 0.03},
}


def small_network() -> bytes:
    """Return an ONNX file that scores a cutout by its mean."""
    cutouts = helper.make_tensor_value_info("cutouts", TensorProto.FLOAT, ["n", 3, 64, 64])
    outputs = [
        helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]),
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", 64, 64]),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["cutouts"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], ["score"]),
        helper.make_node("ReduceMean", ["cutouts"], ["mask"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "mean", [cutouts], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


def measured(catalogue: Catalogue, tmp_path: Path) -> dg.ExecuteInProcessResult:
    resources = {
        "catalogue": catalogue,
        "store": FolderObjectStore(tmp_path / "store"),
        "compute": Compute(),
        "tracking": Tracking(f"sqlite:///{tmp_path}/mlflow.db"),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        return health_job.execute_in_process(resources=resources, instance=instance)


@pytest.mark.slow
def test_errors_above_those_of_the_test_split_are_reported_and_ask_for_a_training(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    catalogue = new_catalogue(tmp_path)
    store = FolderObjectStore(tmp_path / "store")
    # Nothing is there yet: no model, no answer, no dataset.
    assert measured(catalogue, tmp_path).success
    with catalogue.read() as session:
        [row] = watching.newest_health(session)
    assert (row.number, row.value, row.passed) == ("backlog", 0, True)
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    for label, right in (("real", 0.9), ("bogus", 0.1)):
        # Of each class 25 of 100 are called wrongly.
        scores = np.where(np.arange(100) < 75, right, 1 - right).tolist()
        add_labels(catalogue, 100, label, model_scores={champion: scores}, drawn_as="random")
    buffer = io.BytesIO()
    np.save(buffer, rng.normal(size=(200, 3, 64, 64)).astype(np.float32))
    cutouts = store.put("cutouts/all", buffer.getvalue(), ".npy")
    network = store.put("models/small", small_network(), ".onnx")
    with catalogue.begin() as session:
        session.execute(update(Model).values(onnx_key=network, metrics={"shares": SHARES}))
        session.execute(update(Detection).values(cutout_key=cutouts))
    result = measured(catalogue, tmp_path)
    shown = str(result.get_asset_materialization_events()) + str(result.all_events)
    assert "50 of 200 random items called wrongly" in shown
    with catalogue.read() as session:
        found = {row.number: row for row in watching.newest_health(session)}
        assert found.keys() >= {"error", "purity", "calibration", "ms_per_cutout", "backlog"}
        error, purity = found["error"], found["purity"]
        assert (error.survey, error.model_id, error.passed) == ("sim", champion, False)
        assert error.limit == pytest.approx((0.05 + 0.03) / 2)
        # The scores promise 90 %, and 75 % are real.
        assert (purity.value, purity.passed) == (0.75, False)
        assert purity.limit == pytest.approx(0.9)
        # Half of all are real, as the scores say.
        assert found["calibration"].passed
        # 75 % where the scores say 90 %, 25 % where they say 10 %.
        assert (found["calibration_error"].value or 0) > 0.14
        assert not found["calibration_error"].passed
        assert (found["ms_per_cutout"].value or 0) > 0
        assert found["quality_score"].passed
        reported, texts = alerts_since(session, None, RetrainingSettings())
        assert any("sim: 50 of 200 random items called wrongly" in text for text in texts)
        assert alerts_since(session, reported, RetrainingSettings())[1] == []
        decision = should_retrain(
            facts_of(session, now(), None, is_training=False), RetrainingSettings()
        )
    assert "50 of 200 random items called wrongly, at most 4.0% when" in decision.reason
    client = Tracking(f"sqlite:///{tmp_path}/mlflow.db").client()
    [experiment] = [e for e in client.search_experiments() if e.name == "health"]
    run, _ = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["sim/error"] == 0.25
    # Another champion begins without a record.
    deploy(catalogue, add_dataset(catalogue, 0))
    with catalogue.read() as session:
        assert facts_of(session, now(), None, is_training=False).error is None
    catalogue.close()
