"""A materialization of its own for each night of a run, with the version of its data.

In a run over many partitions Dagster 1.13 gives all of them one data version, a hash
of the whole run's inputs (its issues 18649 and 34013): nights would seem changed
because their neighbours are, or because another range was run. So the assets report
each night themselves, as soon as it is done, with a version that says what came of it
and with the versions of what it was made from. This is the one place that knows how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

# Names of tags and of the mark by which an output says that its asset has reported
# its events already: Dagster has no public names for them.
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.partitions.utils import (
    get_tags_from_multi_partition_key,
)
from dagster._core.definitions.source_asset import (
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as ALREADY_TOLD,
)

from astrid_assets.partitions import nights_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astrid_assets.partitions import Night

UNKNOWN = "INITIAL"
"""Dagster's version of an input that has never been materialized."""

BEFORE_ALL = 1
"""Event that comes before every materialization: an input without any is new once it
has one. Without a pointer Dagster would take it for unchanged."""


class Materializations:
    """Reports to Dagster the nights of one step; made before the step reads its inputs.

    Versions and newest event of each parent are taken now: what another run
    materializes while this one computes counts as new.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._key = context.asset_key
        node = context.assets_def.specs_by_key[self._key]
        self._code_version = node.code_version or context.run.run_id
        keys = [str(night.key) for night in nights_of(context.partition_keys)]
        self._inputs: dict[dg.AssetKey, tuple[int, Mapping[str, str]]] = {}
        for dep in node.deps:
            self._inputs[dep.asset_key] = _known(context.instance, dep.asset_key, keys)

    def of(
        self, night: Night, data_version: str, metadata: Mapping[str, dg.MetadataValue]
    ) -> dg.AssetMaterialization:
        """Return the event that reports a finished night."""
        key = night.key
        tags = {
            CODE_VERSION_TAG: self._code_version,
            DATA_VERSION_TAG: data_version,
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
            **get_tags_from_multi_partition_key(key),
        }
        for parent, (newest, versions) in self._inputs.items():
            version = versions.get(str(key), UNKNOWN)
            tags[get_input_data_version_tag(parent)] = version
            tags[get_input_event_pointer_tag(parent)] = str(newest)
        return dg.AssetMaterialization(self._key, partition=key, metadata=metadata, tags=tags)

    def end(self) -> dg.MaterializeResult:
        """Return the step's output; it stands for no event of its own."""
        return dg.MaterializeResult(metadata={ALREADY_TOLD: True})


def _known(
    instance: dg.DagsterInstance, parent: dg.AssetKey, keys: list[str]
) -> tuple[int, Mapping[str, str]]:
    """Return the newest event of a parent, and its version in each partition."""
    newest = instance.fetch_materializations(parent, limit=1).records
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        parent,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        [DATA_VERSION_TAG],
        asset_partitions=keys,
    )
    return (
        newest[0].storage_id if newest else BEFORE_ALL,
        {key: found[DATA_VERSION_TAG] for key, found in tags.items()},
    )
