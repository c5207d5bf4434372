"""MLflow runs follow Dagster runs: found again, tagged, and ended as the step ended."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from astrid_assets.resources.experiment_tracking import RUN_TAG, ExperimentTracking
from astrid_assets.tracking.client import Tracking, plain_run
from astrid_assets.tracking.server import TrackingUnavailable

pytestmark = pytest.mark.slow  # MLflow takes ten seconds to import and to migrate


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def resource(tracking_uri: str, tmp_path: Path) -> ExperimentTracking:
    return ExperimentTracking(
        tracking_uri=tracking_uri, artifact_location=str(tmp_path / "artifacts")
    )


@pytest.fixture(autouse=True)
def _unchanged_globals() -> Iterator[None]:
    """Every test leaves MLflow's global address and active run as they were."""
    import mlflow

    before = mlflow.get_tracking_uri()
    yield
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None


def train(
    resource: ExperimentTracking, *, experiment: str, failures: int = 0
) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """Run a step that records a run, failing a number of times after it began."""
    opened: list[str] = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def model(tracking: dg.ResourceParam[Tracking]) -> None:
        with tracking.start_run("unet 1", experiment, {"asset": "model"}) as run:
            opened.append(run.run_id)
            run.log_params({"epochs": 3})
            run.log_metrics({"auc": 0.5 + 0.1 * len(opened)})
            if len(opened) <= failures:
                raise ValueError("the data were bad")

    result = dg.materialize([model], resources={"tracking": resource}, raise_on_error=False)
    return result, opened


def test_a_run_is_named_tagged_and_finished(resource: ExperimentTracking) -> None:
    result, [run_id] = train(resource, experiment="finished")
    run = Tracking(resource.tracking_uri).client().get_run(run_id)
    assert result.success
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "unet 1"
    assert run.data.tags[RUN_TAG] == result.run_id
    assert run.data.tags["asset"] == "model"
    assert run.data.params == {"epochs": "3"}
    assert run.data.metrics["auc"] == pytest.approx(0.6)


def test_a_step_that_raises_leaves_a_failed_run(resource: ExperimentTracking) -> None:
    result, opened = train(resource, experiment="failed", failures=2)
    assert not result.success
    run = Tracking(resource.tracking_uri).client().get_run(opened[-1])
    assert run.info.status == "FAILED"


def test_a_retried_step_carries_on_in_its_run(resource: ExperimentTracking) -> None:
    result, opened = train(resource, experiment="retried", failures=1)
    assert result.success
    assert len(opened) == 2
    assert len(set(opened)) == 1, "dagster-mlflow finds the run of this Dagster run"
    run = Tracking(resource.tracking_uri).client().get_run(opened[0])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["auc"] == pytest.approx(0.7)


def test_another_dagster_run_gets_a_run_of_its_own(
    resource: ExperimentTracking,
) -> None:
    _, first = train(resource, experiment="two")
    _, second = train(resource, experiment="two")
    assert first != second


def test_outside_a_run_mlflow_alone_opens_runs(resource: ExperimentTracking) -> None:
    with dg.build_init_resource_context() as context:
        tracking = resource.create_resource(context)
    assert tracking.open_run is plain_run


def test_a_server_that_is_away_is_told_within_seconds(tmp_path: Path) -> None:
    away = ExperimentTracking(tracking_uri="http://127.0.0.1:9")

    @dg.asset
    def model(tracking: dg.ResourceParam[Tracking]) -> None:
        with tracking.start_run("x", "y"):
            pytest.fail("nothing answers there")

    with pytest.raises(TrackingUnavailable, match=r"127\.0\.0\.1:9"):
        dg.materialize([model], resources={"tracking": away})
