"""Tracking on a SQLite file and on a real MLflow server."""

from __future__ import annotations

import pickle
import socket
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from astrid_assets.tracking.client import Tracking
from astrid_assets.tracking.server import TrackingUnavailable, as_location, without_password
from astrid_assets_tests.tracking.mlflow_service import mlflow_url

__all__ = ["mlflow_url"]  # fixtures are found by name

pytestmark = pytest.mark.filterwarnings(
    # MLflow about its own dependencies.
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore::UserWarning:mlflow.*",
)

NAME = "astrid-unet"


def small_model(factor: float) -> bytes:
    """Return an ONNX file with the ports of a real model, made without torch."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["cutouts"], ["mean"], keepdims=0, axes=[1]),
            helper.make_node("Mul", ["mean", "factor"], ["mask"]),
            helper.make_node("ReduceMax", ["mask"], ["score"], keepdims=0, axes=[1, 2]),
        ],
        "small",
        [helper.make_tensor_value_info("cutouts", kind, ["n", 3, 8, 8])],
        [
            helper.make_tensor_value_info("mask", kind, ["n", 8, 8]),
            helper.make_tensor_value_info("score", kind, ["n"]),
        ],
        [helper.make_tensor("factor", kind, [], [factor])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    """MLflow in a SQLite file; making its tables takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    return Tracking(f"sqlite:///{folder}/sub/mlflow.db")


@pytest.fixture(scope="module")
def server(mlflow_url: str) -> Tracking:
    """A real MLflow server."""
    return Tracking(mlflow_url)


@pytest.fixture(params=["embedded", pytest.param("server", marks=pytest.mark.slow)])
def tracking(request: pytest.FixtureRequest) -> Tracking:
    """Both kinds of MLflow in turn."""
    return request.getfixturevalue(request.param)


def run_of(tracking: Tracking, run_id: str):
    return tracking.client().get_run(run_id)


@pytest.mark.slow
def test_a_run_keeps_what_is_logged(tracking, tmp_path):
    picture = tmp_path / "curve.png"
    picture.write_bytes(b"png")
    with tracking.start_run("first", "unit tests", {"asset": "trained_unet"}) as active:
        active.log_params({"epochs": 15, "surveys": ["wide", "deep"]})
        active.log_metrics([{"loss": 2.0}, {"loss": 1.5}, {"loss": 1.25}])
        active.log_metrics({"roc_auc": 0.97})
        active.log_artifact(picture)
        active.log_bytes(b"more", "plots/more.txt")
        active.set_tags({"model_id": "m1"})
        assert run_of(tracking, active.run_id).info.status == "RUNNING"
    run = run_of(tracking, active.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    assert run.data.params == {"epochs": "15", "surveys": '["wide", "deep"]'}
    assert run.data.metrics == {"loss": 1.25, "roc_auc": 0.97}
    assert run.data.tags["asset"] == "trained_unet"
    assert run.data.tags["model_id"] == "m1"
    history = tracking.client().get_metric_history(active.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 2.0), (1, 1.5), (2, 1.25)]
    files = {f.path for f in tracking.client().list_artifacts(active.run_id)}
    assert files == {"curve.png", "plots"}


@pytest.mark.slow
def test_hundreds_of_params_and_metrics_go_in_batches(tracking):
    with tracking.start_run("many", "unit tests") as active:
        active.log_params({f"p{n}": n for n in range(250)})
        active.log_metrics([{"loss": float(n)} for n in range(1500)])
    run = run_of(tracking, active.run_id)
    assert len(run.data.params) == 250
    assert run.data.metrics["loss"] == 1499.0


@pytest.mark.slow
def test_a_run_whose_work_raised_has_failed(tracking):
    with pytest.raises(KeyError), tracking.start_run("bad", "unit tests") as active:
        raise KeyError
    assert run_of(tracking, active.run_id).info.status == "FAILED"


@pytest.mark.slow
def test_an_interrupted_run_is_carried_on(tracking):
    begun = []

    def interrupted_work() -> None:
        with tracking.start_run("long", "unit tests") as active:
            begun.append(active)
            active.log_params({"epochs": 3})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_work()
    (active,) = begun
    assert run_of(tracking, active.run_id).info.status == "KILLED"
    with tracking.start_run("long", "unit tests", {"attempt": "2"}, run_id=active.run_id) as again:
        assert again.run_id == active.run_id
        assert run_of(tracking, again.run_id).info.status == "RUNNING"
        again.log_params({"epochs": 3})
    run = run_of(tracking, active.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["attempt"] == "2"


def test_a_run_that_is_gone_is_begun_anew_with_a_warning(tracking, caplog):
    with tracking.start_run("x", "unit tests", run_id="0" * 32) as active:
        assert active.run_id != "0" * 32
    assert "0000 is not known" in caplog.text


def test_the_dataset_of_a_run_is_recorded_with_its_whole_hash(tracking):
    digest = "0123456789abcdef" * 4
    with tracking.start_run("data", "unit tests") as active:
        active.log_dataset((5, 3, 8, 8), name="d1", digest=digest, source="key")
    run = run_of(tracking, active.run_id)
    assert run.inputs is not None
    (entry,) = run.inputs.dataset_inputs
    assert entry.dataset.name == "d1"
    assert digest.startswith(entry.dataset.digest)
    assert entry.dataset.schema is not None
    assert "[5, 3, 8, 8]" in entry.dataset.schema
    assert run.data.tags["dataset_sha256"] == digest


@pytest.mark.slow
def test_a_model_is_kept_byte_for_byte_and_registered_once(tracking):
    import mlflow

    before = mlflow.get_tracking_uri()
    first, second = small_model(1.0), small_model(2.0)
    with tracking.start_run("model", "unit tests") as active:
        version = tracking.register_model(NAME, first, active.run_id)
        assert run_of(tracking, active.run_id).info.status == "RUNNING"
        assert tracking.register_model(NAME, first, active.run_id) == version
        newer = tracking.register_model(NAME, second, active.run_id)
    assert isinstance(version, str)
    assert newer != version
    assert tracking.model_bytes(NAME, version) == first
    assert tracking.model_bytes(NAME, newer) == second
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None


@pytest.mark.slow
def test_aliases_name_versions(tracking):
    name = "aliased"
    assert tracking.alias_version(name, "champion") is None
    with tracking.start_run("model", "unit tests") as active:
        one = tracking.register_model(name, small_model(1.0), active.run_id)
        two = tracking.register_model(name, small_model(2.0), active.run_id)
    tracking.set_alias(name, "champion", one)
    assert tracking.alias_version(name, "champion") == one
    assert tracking.alias_version(name, "previous") is None
    tracking.set_alias(name, "previous", one)
    tracking.set_alias(name, "champion", two)
    assert tracking.alias_version(name, "champion") == two
    assert tracking.alias_version(name, "previous") == one
    tracking.delete_alias(name, "previous")
    tracking.delete_alias(name, "previous")
    assert tracking.alias_version(name, "previous") is None
    with pytest.raises(ValueError, match="'staging' is none of"):
        tracking.set_alias(name, "staging", one)


def test_a_deleted_experiment_is_restored(tracking):
    with tracking.start_run("one", "deleted once") as active:
        pass
    client = tracking.client()
    client.delete_experiment(run_of(tracking, active.run_id).info.experiment_id)
    with tracking.start_run("two", "deleted once") as again:
        pass
    assert run_of(tracking, again.run_id).info.status == "FINISHED"


@pytest.mark.slow
def test_a_run_on_a_server_has_a_page(server):
    with server.start_run("page", "unit tests") as active:
        assert active.url.startswith(server.tracking_uri + "/#/experiments/")
        assert active.url.endswith(active.run_id)


def test_artifacts_lie_beside_the_sqlite_file_or_where_they_are_told(
    embedded, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with embedded.start_run("files", "beside") as active:
        active.log_bytes(b"1", "one.txt")
    home = Path(embedded.tracking_uri.removeprefix("sqlite:///")).parent
    assert list((home / "artifacts" / "beside").rglob("one.txt"))
    told = Tracking(embedded.tracking_uri, str(tmp_path / "told"))
    with told.start_run("files", "else where/1") as active:
        active.log_bytes(b"1", "one.txt")
    assert list((tmp_path / "told" / "else-where-1").rglob("one.txt"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["told"]


def test_a_silent_server_is_named_at_once_with_a_remedy():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        started = time.monotonic()
        with (
            pytest.raises(TrackingUnavailable, match="start it, or unset") as caught,
            Tracking(f"http://me:secret@127.0.0.1:{port}").start_run("x", "y"),
        ):
            pass
    assert time.monotonic() - started < 10
    assert "secret" not in str(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    tracking = Tracking(f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(TrackingUnavailable, match="MLFLOW_TRACKING_URI"):
        tracking.check()


def test_a_tracking_can_be_sent_to_another_process():
    tracking = Tracking("sqlite:////data/x.db", "/data/files")
    assert pickle.loads(pickle.dumps(tracking)) == tracking  # noqa: S301  our own bytes


def test_addresses_are_shown_without_their_secrets():
    assert without_password("https://u:p@host/x") == "https://host/x"
    assert without_password("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"


def test_a_folder_becomes_a_uri_and_a_uri_stays():
    assert as_location("/data/x y") == "file:///data/x%20y"
    assert as_location("s3://bucket/x/") == "s3://bucket/x"


def test_importing_tracking_loads_no_mlflow():
    code = "import sys, astrid_assets.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
