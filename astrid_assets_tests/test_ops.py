"""Jobs on request: their configuration reaches the steps, and failures are sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from astrid_assets.compute import Compute
from astrid_assets.jobs import evaluation_job, rollback_job, tuning_job
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.queries import models
from astrid_assets.tracking.client import Tracking
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.deployment.test_in_force import deploy, with_models
from astrid_assets_tests.steps.learning.test_train import add_dataset

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def run_of(
    job: dg.JobDefinition, tools: Tools, tmp_path: Path, config: dict[str, Any]
) -> dg.ExecuteInProcessResult:
    """Run a job on its own."""
    resources = {
        "catalogue": tools.catalogue,
        "store": tools.store,
        "compute": tools.compute,
        "tracking": Tracking(f"sqlite:///{tmp_path}/mlflow.db"),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            run_config={"ops": {job.name.removesuffix("_job"): {"config": config}}},
            resources=resources,
            instance=instance,
            raise_on_error=False,
        )


def failure_of(job: dg.JobDefinition, tools: Tools, tmp_path: Path, config: dict[str, Any]) -> str:
    """Run a job that fails; returns its sentence."""
    result = run_of(job, tools, tmp_path, config)
    assert not result.success
    (event,) = [event for event in result.all_events if event.is_step_failure]
    said = event.step_failure_data.user_failure_data
    assert said is not None
    return str(said.description)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(new_catalogue(tmp_path), FolderObjectStore(tmp_path / "store"), Compute())


def test_a_search_without_a_dataset_or_with_a_wrong_setting_ends_in_a_sentence(
    tools: Tools, tmp_path: Path
) -> None:
    config: dict[str, Any] = {"space": {"depth": [2, 3]}, "training": {"epochs": 3}, "trials": 2}
    assert "no training dataset yet" in failure_of(tuning_job, tools, tmp_path, config)
    add_dataset(tools)
    wrong = config | {"training": {"epochs": 0}}
    assert "epochs" in failure_of(tuning_job, tools, tmp_path, wrong)
    too_many = config | {"search": "grid", "trials": 1}
    assert "more than 1 trials" in failure_of(tuning_job, tools, tmp_path, too_many)


def test_an_evaluation_without_a_model_ends_in_a_sentence(tools: Tools, tmp_path: Path) -> None:
    add_dataset(tools)
    assert "none was trained yet" in failure_of(evaluation_job, tools, tmp_path, {})


def test_a_rollback_puts_the_model_before_in_force_and_never_deploys(
    tools: Tools, tmp_path: Path
) -> None:
    with_models(tools.catalogue, tmp_path, range(1, 4))
    assert "no earlier model" in failure_of(rollback_job, tools, tmp_path, {"because": "a test"})
    for number in (1, 2):
        deploy(tools, number)
    assert "needs its reason" in failure_of(rollback_job, tools, tmp_path, {"because": " "})
    client = Tracking(f"sqlite:///{tmp_path}/mlflow.db").client()
    client.create_registered_model("astrid-unet")
    for number in range(1, 4):
        client.create_model_version("astrid-unet", f"{tmp_path}/{number}")
    # Model 3 is the newest: a rollback that deployed would take it.
    assert run_of(rollback_job, tools, tmp_path, {"because": "a test"}).success
    with tools.catalogue.read() as session:
        champion = models.champion(session)
    assert champion is not None
    assert champion.version == "1"
    tracking = Tracking(f"sqlite:///{tmp_path}/mlflow.db")
    assert tracking.aliases("astrid-unet") == {"champion": "1"}
    deploy(tools, 3, "wide")
    to_common = {"because": "no better", "to": "common", "survey": "wide"}
    assert run_of(rollback_job, tools, tmp_path, to_common).success
    assert tracking.aliases("astrid-unet") == {"champion": "1"}
    with tools.catalogue.read() as session:
        assert models.scopes(session) == [""]
