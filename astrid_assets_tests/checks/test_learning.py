"""A failed gate of a learning asset keeps the next one from running."""

import dagster as dg
import pytest

from astrid_assets.checks.learning import LEARNING_GATES, learning_check
from astrid_assets.science.quality.gates import dataset_quality
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.queries import gates


def run(
    catalogue: Catalogue, instance: dg.DagsterInstance, *, passed: bool | None
) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """Run a dataset with a verdict (None: without one) and a training after it."""
    done: list[str] = []

    @dg.asset
    def training_dataset() -> None:
        if passed is None:
            return
        verdict = dataset_quality(0.9 if passed else 0.3, ["judged"])
        with catalogue.begin() as session:
            gates.record(session, "", "", "training_dataset", [verdict])

    @dg.asset(deps=[training_dataset])
    def trained_unet() -> None:
        done.append("trained")

    result = (
        dg.Definitions(
            assets=[training_dataset, trained_unet],
            asset_checks=[learning_check("training_dataset", "dataset_quality")],
            jobs=[dg.define_asset_job("learning")],
            resources={"catalogue": catalogue},
        )
        .resolve_job_def("learning")
        .execute_in_process(instance=instance, raise_on_error=False)
    )
    return result, done


@pytest.mark.slow
def test_a_passed_gate_lets_the_training_run(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    result, done = run(catalogue, instance, passed=True)
    assert result.success
    assert done == ["trained"]
    [evaluation] = result.get_asset_check_evaluations()
    assert evaluation.passed
    assert evaluation.metadata["value"].value == 0.9
    assert evaluation.metadata["limit"].value == ">= 0.8"


@pytest.mark.slow
def test_a_failed_gate_stops_the_training(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    result, done = run(catalogue, instance, passed=False)
    assert not result.success
    assert done == []
    [evaluation] = result.get_asset_check_evaluations()
    assert evaluation.description == "judged"


@pytest.mark.slow
def test_no_verdict_is_no_pass(catalogue: Catalogue, instance: dg.DagsterInstance) -> None:
    result, done = run(catalogue, instance, passed=None)
    assert not result.success
    assert done == []


def test_all_gates_of_learning_block() -> None:
    for asset, claims in LEARNING_GATES.items():
        for gate in claims:
            [spec] = learning_check(asset, gate).check_specs
            assert spec.blocking
            assert spec.asset_key == dg.AssetKey(asset)
            assert spec.description
