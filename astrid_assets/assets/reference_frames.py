"""`reference_frames`: one asset of the graph; the work is in `steps.reference_frames.stack`."""

import dagster as dg

from astrid_assets.assets._nightly import (
    NightlyConfig,
    NightlyEvents,
    nightly_asset,
    run_nights,
)
from astrid_assets.assets.processed_frames import processed_frames
from astrid_assets.compute import Compute
from astrid_assets.steps import versions
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore


@nightly_asset(
    deps=[processed_frames],
    group_name="differencing",
    kinds={"fits", "numpy"},
    code_version=versions.REFERENCE,
)
def reference_frames(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> NightlyEvents:
    """Stacks of good frames of earlier nights, one per field and band."""
    from astrid_assets.steps.reference_frames.stack import reference_nights

    tools = Tools(catalogue, store, compute)
    yield from run_nights(context, tools, reference_nights, force=config.force)
