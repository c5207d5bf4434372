"""Verdicts of the catalogue as results of Dagster checks.

The gates were judged by the assets, with the numbers at hand, and the next asset reads
the catalogue to leave out what is blocked. Here they are only shown. This is
the one place that knows how Dagster 1.13 takes results for single partitions of a
range run: a plain `AssetCheckResult` there would count for no partition at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

# There is no public name for it, and without it a result is tied to no materialisation.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
    AssetCheckEvaluationTargetMaterializationData,
)

from astrid_assets.partitions import night_of_partition
from astrid_assets.storage.database.tables.nights import GateVerdict
from astrid_assets.storage.queries.gates import verdicts_of_night

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue

CHECK_OUTPUT = "{asset}_{gate}"
"""The name Dagster gives the output of a check inside a multi-asset check."""


def night_evaluations(
    context: dg.AssetCheckExecutionContext, catalogue: Catalogue, asset: str
) -> Iterator[AssetCheckEvaluation | dg.Output[None]]:
    """Yield one evaluation per night and gate of this run, then each check's output.

    A night without a verdict (its asset has not run, or was never asked) yields
    nothing for the gate: nothing was judged, so nothing is shown.
    """
    keys = [str(key) for key in context.op_execution_context.partition_keys]
    gates = sorted(key.name for key in context.selected_asset_check_keys)
    asset_key = dg.AssetKey(asset)
    targets = _latest_materializations(context.instance, asset_key, keys)
    with catalogue.read() as session:
        verdicts = {key: _of_night(session, asset, key) for key in keys}
    for gate in gates:
        for key in keys:
            verdict = verdicts[key].get(gate)
            if verdict is None:
                continue
            yield AssetCheckEvaluation(
                asset_key=asset_key,
                check_name=gate,
                passed=verdict.passed,
                metadata=verdict_metadata(verdict),
                target_materialization_data=targets.get(key),
                severity=severity(verdict),
                description=verdict.detail,
                # The catalogue holds the night back, and only this night; a blocking
                # failure would stop every night of the run.
                blocking=False,
                partition=key,
            )
        yield dg.Output(None, output_name=CHECK_OUTPUT.format(asset=asset, gate=gate))


def whole_result(catalogue: Catalogue, asset: str, gate: str) -> dg.AssetCheckResult:
    """Return the verdict on an unpartitioned asset; none at all is a failure."""
    with catalogue.read() as session:
        verdict = session.get(GateVerdict, ("", "", asset, gate))
    if verdict is None:
        return dg.AssetCheckResult(passed=False, description=f"{asset} has not judged {gate} yet")
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=severity(verdict),
        description=verdict.detail,
        metadata=verdict_metadata(verdict),
    )


def severity(verdict: GateVerdict) -> dg.AssetCheckSeverity:
    """Return ERROR for a gate that blocks, WARN for one that only warns."""
    if verdict.holds_back:
        return dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckSeverity.WARN


def verdict_metadata(verdict: GateVerdict) -> dict[str, dg.MetadataValue]:
    """Return value, limit and what a failure does, for the UI."""
    metadata: dict[str, dg.MetadataValue] = {
        "limit": dg.MetadataValue.text(verdict.limit),
        "blocks": dg.MetadataValue.bool(verdict.holds_back),
    }
    if verdict.value is not None:
        metadata["value"] = dg.MetadataValue.float(verdict.value)
    return metadata


def _of_night(session: Session, asset: str, key: str) -> dict[str, GateVerdict]:
    night = night_of_partition(key)
    rows = verdicts_of_night(session, night.survey, night.date)
    return {row.gate: row for row in rows if row.asset == asset}


def _latest_materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, keys: Sequence[str]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION, set(keys)
    )
    if not ids:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, storage_ids=list(ids.values())),
        limit=len(ids),
    ).records
    return {
        record.partition_key: AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id,
            run_id=record.run_id,
            timestamp=record.timestamp,
        )
        for record in records
        if record.partition_key is not None
    }
