"""`calibration_masters`: an asset; the work is in `steps.calibration_masters.masters`."""

import dagster as dg

from astrid_assets.assets._nightly import (
    NightlyConfig,
    NightlyEvents,
    nightly_asset,
    run_nights,
)
from astrid_assets.assets.raw_observations import raw_observations
from astrid_assets.compute import Compute
from astrid_assets.steps import versions
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore


@nightly_asset(
    deps=[raw_observations],
    group_name="frames",
    kinds={"fits", "numpy"},
    code_version=versions.MASTERS,
)
def calibration_masters(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> NightlyEvents:
    """Master bias, dark and flat frames, and which of them each light frame uses."""
    from astrid_assets.steps.calibration_masters.masters import masters_nights

    tools = Tools(catalogue, store, compute)
    yield from run_nights(context, tools, masters_nights, force=config.force)
