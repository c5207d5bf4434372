"""Each night gets its own check result, and one bad night stops no other."""

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from astrid_assets.checks.nightly import NIGHTLY_GATES, nightly_checks
from astrid_assets.partitions import nights_of, survey_date
from astrid_assets.science.quality.gates import FRAME_QUALITY, REJECTED_FRACTION
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.queries import gates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster._core.storage.asset_check_execution_record import (
        AssetCheckExecutionRecord,
    )

ASSET = "processed_frames"
BAD = "2025-03-02"
UNJUDGED = "2025-03-04"
RANGE = {
    "dagster/asset_partition_range_start": "2025-03-01|wide",
    "dagster/asset_partition_range_end": "2025-03-05|wide",
}


def graph(catalogue: Catalogue, done: list[str]) -> dg.JobDefinition:
    """Return a small graph: an asset that judges its nights, and one after it."""

    @dg.asset(name=ASSET, partitions_def=survey_date)
    def judged(context: dg.AssetExecutionContext) -> None:
        for night in nights_of(context.partition_keys):
            if night.date == UNJUDGED:
                continue
            verdicts = [
                FRAME_QUALITY.judge(
                    0 if night.date == BAD else 3, at_least=1, detail=f"frames of {night.date}"
                ),
                REJECTED_FRACTION.judge(
                    0.75 if night.date == BAD else None, at_most=0.5, detail=""
                ),
            ]
            with catalogue.begin() as session:
                gates.record(session, night.survey, night.date, ASSET, verdicts)

    @dg.asset(partitions_def=survey_date, deps=[judged])
    def after(context: dg.AssetExecutionContext) -> None:
        done.extend(night.date for night in nights_of(context.partition_keys))

    return dg.Definitions(
        assets=[judged, after],
        asset_checks=[nightly_checks(ASSET)],
        jobs=[dg.define_asset_job("nights")],
        resources={"catalogue": catalogue},
    ).resolve_job_def("nights")


def results(
    instance: dg.DagsterInstance, gate: str
) -> dict[str | None, "AssetCheckExecutionRecord"]:
    """Return the newest record of a check for each partition."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(ASSET), gate), limit=100
    )
    return {record.partition: record for record in reversed(records)}


@pytest.mark.slow
def test_every_night_of_a_range_has_its_own_result(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    done: list[str] = []
    run = graph(catalogue, done).execute_in_process(instance=instance, tags=RANGE)
    assert run.success
    found = results(instance, "frame_quality")
    passed = {key: record.status.value for key, record in found.items() if record.event}
    assert passed["2025-03-01|wide"] == "SUCCEEDED"
    assert passed["2025-03-02|wide"] == "FAILED"
    assert passed["2025-03-05|wide"] == "SUCCEEDED"
    assert None not in found, "no result stands for the whole range"


@pytest.mark.slow
def test_a_failed_gate_does_not_stop_the_other_nights(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    done: list[str] = []
    graph(catalogue, done).execute_in_process(instance=instance, tags=RANGE)
    assert done == [f"2025-03-0{day}" for day in range(1, 6)]


@pytest.mark.slow
def test_value_limit_and_severity_are_told(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    graph(catalogue, []).execute_in_process(instance=instance, tags=RANGE)
    bad = evaluation(results(instance, "frame_quality")["2025-03-02|wide"])
    assert bad.metadata["value"].value == 0.0
    assert bad.metadata["limit"].value == ">= 1"
    assert bad.description == "frames of 2025-03-02"
    assert bad.severity == dg.AssetCheckSeverity.ERROR
    warned = evaluation(results(instance, "rejected_fraction")["2025-03-02|wide"])
    assert warned.severity == dg.AssetCheckSeverity.WARN
    assert warned.metadata["value"].value == 0.75
    assert warned.metadata["limit"].value == "<= 0.5"


@pytest.mark.slow
def test_a_result_is_tied_to_the_materialization_of_its_night(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    graph(catalogue, []).execute_in_process(instance=instance, tags=RANGE)
    run = graph(catalogue, []).execute_in_process(instance=instance, tags=RANGE)
    newest = instance.get_latest_storage_id_by_partition(
        dg.AssetKey(ASSET), dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    for day in (1, 2, 3, 5):
        key = f"2025-03-0{day}|wide"
        target = evaluation(results(instance, "frame_quality")[key]).target_materialization_data
        assert target is not None
        assert target.storage_id == newest[key]
        assert target.run_id == run.run_id


@pytest.mark.slow
def test_a_night_that_was_not_judged_has_no_result(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    graph(catalogue, []).execute_in_process(instance=instance, tags=RANGE)
    record = results(instance, "frame_quality").get(f"{UNJUDGED}|wide")
    assert record is None or record.status.value == "PLANNED"


@pytest.mark.slow
def test_a_run_of_one_night_tells_that_night(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    graph(catalogue, []).execute_in_process(instance=instance, partition_key=f"{BAD}|wide")
    found = results(instance, "frame_quality")
    assert set(found) == {f"{BAD}|wide"}
    assert found[f"{BAD}|wide"].status.value == "FAILED"


@pytest.mark.parametrize("asset", list(NIGHTLY_GATES))
def test_checks_are_partitioned_like_their_assets(asset: str) -> None:
    specs: Sequence[dg.AssetCheckSpec] = list(nightly_checks(asset).check_specs)
    assert {spec.name for spec in specs} == set(NIGHTLY_GATES[asset])
    for spec in specs:
        assert spec.partitions_def == survey_date
        assert spec.blocking is False
        assert spec.description


def evaluation(record: "AssetCheckExecutionRecord") -> dg.AssetCheckEvaluation:
    """Return the evaluation of a record that has one."""
    assert record.event is not None
    found = record.event.dagster_event
    assert found is not None
    return found.asset_check_evaluation_data
