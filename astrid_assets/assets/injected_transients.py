"""`injected_transients`: an asset; the work is in `steps.injected_transients`."""

import dagster as dg

from astrid_assets.assets._nightly import (
    NightlyConfig,
    NightlyEvents,
    nightly_asset,
    run_nights,
)
from astrid_assets.assets.difference_images import difference_images
from astrid_assets.compute import Compute
from astrid_assets.steps import versions
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore


@nightly_asset(
    deps=[difference_images],
    group_name="detection",
    kinds={"table", "numpy"},
    code_version=versions.INJECT,
)
def injected_transients(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> NightlyEvents:
    """Artificial transients in frames of the night: what would have been found."""
    from astrid_assets.steps.injected_transients.inject import inject_nights

    tools = Tools(catalogue, store, compute)
    yield from run_nights(context, tools, inject_nights, force=config.force)
