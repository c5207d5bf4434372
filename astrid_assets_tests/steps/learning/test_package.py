"""What a model is kept with: all of it in the store and in MLflow, and enough to serve again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from astrid_assets.learning.inference import UnusableModel
from astrid_assets.steps import versions
from astrid_assets.steps.learning.evaluate import open_scorer
from astrid_assets.steps.learning.package import CARD, READABLE_CARD, WEIGHTS
from astrid_assets.steps.learning.restoring import restore_onnx
from astrid_assets.storage.objects.store_errors import ObjectMissing
from astrid_assets.storage.queries.named_objects import named_objects
from astrid_assets_tests.steps.learning.test_train import tools, tracking, trained

__all__ = ["tools", "tracking"]

pytestmark = pytest.mark.slow


def test_a_model_is_kept_with_weights_and_card_and_served_again_from_them(
    tools, tracking, tmp_path
):
    made = trained(tools, tracking, tmp_path / "work")
    model = made.model
    assert model.package is not None
    files = model.package["files"]
    assert set(files) == {WEIGHTS, CARD, READABLE_CARD}
    client = tracking.client()
    folder = Path(client.download_artifacts(str(made.run.mlflow_run_id), "package", str(tmp_path)))
    for name, file in files.items():
        content = tools.store.get(file["key"])
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert (folder / name).read_bytes() == content
    with tools.catalogue.read() as session:
        named = {item.key for item in named_objects(session)}
    assert {model.onnx_key, *(file["key"] for file in files.values())} <= named

    card = json.loads(tools.store.get(files[CARD]["key"]))
    assert card["files"] == {
        "model.onnx": model.onnx_sha256,
        WEIGHTS: files[WEIGHTS]["sha256"],
    }
    assert card["dataset"]["id"] == made.run.dataset_id
    assert card["preprocessing"]["version"] == versions.CUTOUTS
    assert card["threshold"] == model.threshold
    assert card["calibration"] == model.metrics["calibration"]
    assert card["metrics"]["roc_auc"] == model.metrics["model"]["roc_auc"]
    readable = tools.store.get(files[READABLE_CARD]["key"]).decode()
    assert f"| model.onnx | {model.onnx_sha256} |" in readable

    Path(tools.store.root / model.onnx_key).unlink()
    with pytest.raises(ObjectMissing):
        open_scorer(tools, model)
    assert restore_onnx(tools.store.verifying(), model)
    open_scorer(tools, model)

    model.package = {**model.package, "cutouts": "0"}
    with pytest.raises(UnusableModel, match="takes cutouts of version 0, and this program makes"):
        open_scorer(tools, model)
