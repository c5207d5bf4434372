"""`astrid dataset` and what notebooks load, on one home with labels."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets import api
from astrid_assets.resources.environment import Addresses
from astrid_assets.steps.learning.settings import NoDataset
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.tracking.client import Tracking
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.many_labels import ManyLabels

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets_tests.cli.conftest import Cli

pytestmark = [
    pytest.mark.slow,
    # Dagster and MLflow about themselves.
    pytest.mark.filterwarnings("ignore"),
]


def labels_in(home: Path) -> ManyLabels:
    home.mkdir(exist_ok=True)
    store = FolderObjectStore(home / "store")
    return ManyLabels(new_catalogue(home), store, frames_per_night=2, per_frame=40)


def listed(cli: Cli, *options: str) -> list[dict[str, object]]:
    result = cli("dataset", "list", "--format", "json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_a_dataset_is_collected_listed_shown_compared_and_retired(cli: Cli, home: Path) -> None:
    labels = labels_in(home)
    labels.add_nights(0, 1)
    first = cli("dataset", "collect", "--description", "the first night")
    assert first.exit_code == 0, first.output
    assert "the first night" in first.output
    assert "80 detections looked at, 80 taken in" in first.output
    labels.add_nights(1, 1)
    second = cli("dataset", "collect", "--max-samples", "150", "--set", "hard_negatives=0")
    assert second.exit_code == 0, second.output
    assert "10 thinned" in second.output
    newest, oldest = listed(cli)
    assert (newest["status"], oldest["status"]) == ("active", "superseded")
    assert newest["by"] == getpass.getuser()
    assert [row["id"] for row in listed(cli, "--status", "active")] == [newest["id"]]

    shown = cli("dataset", "show", str(newest["id"])[:9]).output
    assert "max samples: 150" in shown
    compared = json.loads(cli("dataset", "compare", str(newest["id"]), "--json").output)
    assert (compared["first"], compared["second"]) == (oldest["id"], newest["id"])
    assert compared["totals"] == [80, 150]
    assert compared["added"] - compared["left_out"] == 70
    assert compared["settings"]["max_samples"] == [20_000, 150]
    assert "80 -> 150 samples" in cli("dataset", "compare", str(newest["id"])).output

    _recorded_in_mlflow(str(newest["id"]), str(oldest["id"]))

    retired = cli("dataset", "retire", str(newest["id"]), "--reason", "clouds")
    assert retired.exit_code == 0, retired.output
    assert f"active: {oldest['id']}" in retired.output
    assert "clouds" in cli("dataset", "show", str(newest["id"])).output
    again = cli("dataset", "retire", str(newest["id"]), "--reason", "clouds")
    assert again.exit_code == 1
    assert "was retired by" in again.output

    train, val, test = data = api.load_training_dataset()
    assert data.row.id == oldest["id"]
    assert len(train) + len(val) + len(test) == 80
    image, mask, is_real = train[0]
    assert image.shape == (3, 64, 64)
    assert mask.any() == is_real
    np.testing.assert_array_equal(train.images()[0], image)
    assert train.table["label"][0] == ("real" if is_real else "bogus")
    assert set(test.table["split"]) == {"test"}
    with pytest.raises(NoDataset, match=r"was retired by .* clouds"):
        api.load_training_dataset(str(newest["id"]))
    made = api.load_training_dataset(
        collection_params={
            "name": "notebook",
            "survey_ids": ["sim"],
            "date_range": ("2025-03-01", "2025-03-02"),
            "max_samples": 100,
        }
    )
    assert made.row.name == "notebook"
    assert made.row.mlflow_run_id is not None


def _recorded_in_mlflow(dataset_id: str, before: str) -> None:
    addresses = Addresses()
    tracking = Tracking(addresses.tracking_uri.get_secret_value(), addresses.artifacts_folder)
    client = tracking.client()
    runs = client.search_runs(
        [tracking.experiment_id("training_dataset")],
        f"tags.`dataset_id` = '{dataset_id}'",
    )
    assert [run.info.run_name for run in runs] == [f"training_data_{dataset_id}"], [
        (run.info.run_id, run.info.status, run.data.tags, run.data.metrics) for run in runs
    ]
    (run,) = runs
    params = run.data.params
    assert params["time_range_days"] == "2"
    assert json.loads(params["survey_sources"]) == ["sim"]
    assert json.loads(params["anomaly_types"]) == []
    assert params["validation_threshold"] == "0.6"
    assert "collection_date" in params
    metrics = run.data.metrics
    assert metrics["total_samples"] == 150
    assert metrics["train_real"] + metrics["val_real"] + metrics["test_real"] == pytest.approx(
        150 * metrics["anomaly_ratio"]
    )
    assert metrics["left_out_thinned"] == 10
    assert metrics["moved_since_previous"] == 0
    assert run.data.tags["previous_dataset_id"] == before
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.name == "all-labels"
    kept = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"distributions.json", "distributions.png", "comparison.json"} <= kept
    pictures = client.list_artifacts(run.info.run_id, "samples")
    assert len(pictures) == 10


def test_what_cannot_be_collected_is_said_in_a_sentence(cli: Cli, home: Path) -> None:
    labels = labels_in(home)
    labels.add_nights(0, 1, source=None)
    nothing = cli("dataset", "collect")
    assert nothing.exit_code == 1
    assert "0 labelled detections" in nothing.output
    assert "Traceback" not in nothing.output
    wrong = cli("dataset", "collect", "--set", "max_class_ratio=0.1")
    assert wrong.exit_code == 1
    assert "max_class_ratio" in wrong.output
    unknown = cli("dataset", "show", "abc")
    assert unknown.exit_code == 1
    assert "there is no dataset abc" in unknown.output
    labels.add_nights(1, 1)
    refused = cli("dataset", "collect", "--set", "min_anomaly_ratio=0.9")
    assert refused.exit_code == 1
    assert "refused since" in refused.output
    assert "label_balance" in refused.output
