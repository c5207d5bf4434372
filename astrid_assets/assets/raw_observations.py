"""`raw_observations`: one asset of the graph; the work is in `steps.raw_observations.ingest`."""

from functools import partial

import dagster as dg

from astrid_assets.assets._nightly import (
    NightlyConfig,
    NightlyEvents,
    nightly_asset,
    run_nights,
)
from astrid_assets.compute import Compute
from astrid_assets.steps import versions
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore
from astrid_assets.surveys.sources.base import SourceOptions


@nightly_asset(
    group_name="frames",
    kinds={"fits"},
    code_version=versions.REGISTER,
)
def raw_observations(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
    sources: dg.ResourceParam[SourceOptions],
) -> NightlyEvents:
    """Frames that the survey's source holds for a night, ingested by content."""
    from astrid_assets.steps.raw_observations.ingest import register_from_source

    tools = Tools(catalogue, store, compute)
    yield from run_nights(
        context,
        tools,
        partial(register_from_source, options=sources),
        force=config.force,
    )
