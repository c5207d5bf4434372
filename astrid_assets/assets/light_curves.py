"""`light_curves`: one asset of the graph; the work is in `steps.light_curves`."""

import dagster as dg

from astrid_assets.assets._nightly import (
    NightlyConfig,
    NightlyEvents,
    nightly_asset,
    run_nights,
)
from astrid_assets.assets.detections import detections
from astrid_assets.compute import Compute
from astrid_assets.steps import versions
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore


@nightly_asset(
    deps=[detections],
    group_name="detection",
    kinds={"table", "numpy"},
    code_version=versions.LIGHT_CURVES,
)
def light_curves(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> NightlyEvents:
    """Fluxes of objects on every frame, seen there or not, and what moves."""
    from astrid_assets.steps.light_curves.measure import measure_nights

    tools = Tools(catalogue, store, compute)
    yield from run_nights(context, tools, measure_nights, force=config.force)
