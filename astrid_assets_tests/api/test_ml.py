"""Trainings and searches over REST, with a Dagster that answers as the real one does."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import (
    Model,
    ModelEvaluation,
    Search,
    SearchTrial,
    TrainingDataset,
)
from astrid_assets.storage.database.upsert import upsert
from astrid_assets_tests.api.serving import asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astrid_assets.web.settings import WebSettings
    from astrid_assets_tests.small_sky import SmallSky

pytestmark = pytest.mark.slow

JOB = "11111111-1111-4111-8111-111111111111"
DATASET = ids.dataset_id("d")
SEARCH = ids.search_id(DATASET, "s")


@dataclass
class ScriptedDagster:
    """Launches nothing and remembers what it was asked to launch."""

    launched: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return what GraphQL would."""
        if "repositoriesOrError" in query:
            known = ("learning", "tuning", "evaluation", "deployment", "rollback")
            jobs = [{"name": f"{name}_job"} for name in known]
            node = {"name": "r", "location": {"name": "l"}, "jobs": jobs}
            return {"repositoriesOrError": {"__typename": "RepositoryConnection", "nodes": [node]}}
        if "launchRun" in query:
            self.launched.append(variables["params"])
            run = {"runId": JOB, "status": "QUEUED"}
            return {"launchRun": {"__typename": "LaunchRunSuccess", "run": run}}
        tags = [{"key": key, "value": value} for key, value in self.tags.items()]
        run = {"__typename": "Run", "runId": JOB, "status": "STARTED", "tags": tags}
        return {"runOrError": run | {"assetMaterializations": []}}


@contextmanager
def listening(dagster: ScriptedDagster) -> Iterator[str]:
    """Serve it; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked_for = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = json.dumps({"data": dagster.answer(**asked_for)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def add_dataset(sky: SmallSky) -> None:
    row = {
        "id": DATASET,
        "content_hash": "d" * 64,
        "name": "d",
        "collection_params": {"val_fraction": 0.2, "test_fraction": 0.2},
        "total_samples": 120,
        "anomaly_ratio": 0.5,
        "quality_score": 0.9,
        "quality_report": {},
        "shards": [],
        "samples_key": "none",
        "last_sequence": 0,
        "created_at": now(),
        "created_by": "test",
        "status": "active",
        "status_at": now(),
    }
    with sky.catalogue.begin() as session:
        upsert(session, [TrainingDataset(**row)])


def test_a_training_is_launched_with_our_names_for_those_of_the_paper(
    settings: WebSettings, sky: SmallSky
) -> None:
    add_dataset(sky)
    dagster = ScriptedDagster()
    body = {
        "model_type": "unet",
        "dataset_path": DATASET,
        "validation_split": 0.2,
        "test_split": 0.2,
        "batch_size": 16,
        "epochs": 30,
        "learning_rate": 0.001,
        "optimizer": "adam",
        "loss_function": "focal_dice",
        "metrics": ["roc_auc"],
        "settings": {"depth": 2},
    }
    with listening(dagster) as url, asked(replace(settings, dagster_url=url)) as client:
        started = client.post("/ml/training/start", json=body)
        assert started.status_code == 202, started.text
        told = started.json()
        assert (told["job_id"], told["status"]) == (JOB, "queued")
        assert client.get(told["follow"]).json()["status"] == "started"
        for wrong, said in (
            ({"validation_split": 0.3}, "frozen with the dataset"),
            ({"settings": {"depth": 9}}, "depth"),
            ({"settings": {"dept": 2}}, "dept"),
            ({"optimizer": "lbfgs"}, "optimizer"),
        ):
            refused = client.post("/ml/training/start", json=body | wrong)
            assert refused.status_code == 422
            assert said in refused.text
    (launched,) = dagster.launched
    assert launched["selector"]["jobName"] == "learning_job"
    assert launched["selector"]["assetSelection"] == [{"path": ["trained_unet"]}]
    assert launched["runConfigData"]["ops"]["trained_unet"]["config"] == {
        "batch_size": 16,
        "dataset_id": DATASET,
        "depth": 2,
        "epochs": 30,
        "learning_rate": 0.001,
        "optimiser": "adam",
        "overlap_loss": "dice",
        "pixel_loss": "focal",
        "use_best_settings": False,
    }


def test_a_search_is_launched_with_the_papers_space_and_its_trials_are_read(
    settings: WebSettings, sky: SmallSky
) -> None:
    add_dataset(sky)
    dagster = ScriptedDagster(tags={"astrid/search_id": SEARCH})
    body = {
        "strategy": "random",
        "trials": 3,
        "learning_rate": [0.0001, 0.01],
        "hidden_layers": [2, 3],
        "dropout_rate": [0.0, 0.2],
        "regularization": [1e-5, 1e-2],
        "batch_size": [16, 32],
        "activation": ["relu", "gelu"],
        "optimizer": ["adam"],
        "settings": {"epochs": 5},
    }
    with listening(dagster) as url, asked(replace(settings, dagster_url=url)) as client:
        started = client.post("/ml/optimization/start", json=body)
        assert started.status_code == 202, started.text
        follow = started.json()["follow"]
        assert client.get(follow).json()["trials"] == []
        add_search(sky)
        told = client.get(follow).json()
        too_large = client.post("/ml/optimization/start", json=body | {"strategy": "grid"})
        assert too_large.status_code == 422
        assert "more than 3 trials" in too_large.json()["detail"]
    (launched,) = dagster.launched
    assert launched["selector"]["jobName"] == "tuning_job"
    assert "assetSelection" not in launched["selector"]
    config = launched["runConfigData"]["ops"]["tuning"]["config"]
    assert config["training"] == {"epochs": 5}
    assert config["space"] == {
        "learning_rate": {"low": 0.0001, "high": 0.01, "log": True},
        "depth": {"low": 2, "high": 3, "log": False},
        "dropout": {"low": 0.0, "high": 0.2, "log": False},
        "weight_decay": {"low": 1e-5, "high": 1e-2, "log": True},
        "batch_size": [16, 32],
        "activation": ["relu", "gelu"],
        "optimiser": ["adam"],
    }
    assert (told["search_id"], told["state"], told["metric"]) == (SEARCH, "running", "val_auc")
    # Of the epoch with the lowest val loss, not of the luckiest.
    assert [trial["metric"] for trial in told["trials"]] == [0.8, None]
    assert told["trials"][1]["error"] == "it broke"


def add_search(sky: SmallSky) -> None:
    history = [{"epoch": 0.0, "val_loss": 2.0, "val_auc": 0.9}]
    history += [{"epoch": 1.0, "val_loss": 1.0, "val_auc": 0.8}]
    search = Search(
        id=SEARCH,
        dataset_id=DATASET,
        training_params={},
        search_params={"metric": "val_auc"},
        started_at=now(),
    )
    trials = [
        SearchTrial(id="a", search_id=SEARCH, number=1, values={"depth": 2}, history=history),
        SearchTrial(
            id="b",
            search_id=SEARCH,
            number=2,
            values={"depth": 3},
            history=[],
            status="failed",
            error="it broke",
        ),
    ]
    with sky.catalogue.begin() as session:
        upsert(session, [search])
        upsert(session, trials)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/ml/training/start"),
        ("post", "/ml/optimization/start"),
        ("get", f"/ml/training/{JOB}/status"),
        ("get", f"/ml/optimization/{JOB}/results"),
    ],
)
def test_without_dagster_the_answer_says_how_to_start_it(
    settings: WebSettings, method: str, path: str
) -> None:
    with asked(settings) as client:
        answer = client.request(method, path, json={} if method == "post" else None)
    assert answer.status_code == 503
    assert "astrid ui" in answer.json()["detail"]


def test_an_evaluation_is_launched_and_the_newest_is_read_by_the_names_of_the_paper(
    settings: WebSettings, sky: SmallSky
) -> None:
    add_dataset(sky)
    model = Model(
        id=ids.model_id("m"),
        name="astrid-unet",
        version="3",
        onnx_sha256="m" * 64,
        onnx_key="none",
        metrics={"accuracy": 0.5},
        threshold=0.4,
        created_at=now(),
    )
    with sky.catalogue.begin() as session:
        upsert(session, [model])
    dagster = ScriptedDagster()
    with listening(dagster) as url, asked(replace(settings, dagster_url=url)) as client:
        body = {"model_id": model.id, "dataset_path": DATASET}
        follow = client.post("/ml/evaluation/evaluate", json=body).json()["follow"]
        before = client.get(follow).json()
        add_evaluation(sky, model.id)
        told = client.get(follow).json()
        unknown = client.post("/ml/evaluation/evaluate", json={"model_id": JOB})
        assert unknown.status_code == 404
    (launched,) = dagster.launched
    assert launched["selector"]["jobName"] == "evaluation_job"
    assert launched["runConfigData"]["ops"]["evaluation"]["config"] == {
        "dataset_id": DATASET,
        "model": model.id,
    }
    assert (before["accuracy"], before["precision"], before["confusion_matrix"]) == (
        0.5,
        None,
        None,
    )
    assert (told["precision"], told["recall"], told["auc_roc"]) == (0.8, 0.9, 0.97)
    assert told["confusion_matrix"] == [[7, 2], [1, 8]]
    assert told["custom_metrics"] == {"fpr_at_95_completeness": {"value": 0.1}, "mcc": 0.7}


def add_evaluation(sky: SmallSky, model_id: str) -> None:
    metrics = {
        "model": {"roc_auc": {"value": 0.97}, "fpr_at_95_completeness": {"value": 0.1}},
        "purity": 0.8,
        "completeness": 0.9,
        "mcc": 0.7,
        "true_negatives": 7,
        "false_positives": 2,
        "false_negatives": 1,
        "true_positives": 8,
    }
    evaluation = ModelEvaluation(
        id="e",
        kind="split",
        model_id=model_id,
        dataset_id=DATASET,
        settings={},
        metrics=metrics,
        scores_key="none",
        pictures={},
        created_at=now(),
    )
    with sky.catalogue.begin() as session:
        upsert(session, [evaluation])
