"""`processed_frames`: one asset of the graph; the work is in `steps.processed_frames.process`."""

import dagster as dg

from astrid_assets.assets._nightly import (
    NightlyConfig,
    NightlyEvents,
    nightly_asset,
    run_nights,
)
from astrid_assets.assets.calibration_masters import calibration_masters
from astrid_assets.assets.raw_observations import raw_observations
from astrid_assets.compute import Compute
from astrid_assets.steps import versions
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore


@nightly_asset(
    deps=[raw_observations, calibration_masters],
    group_name="frames",
    kinds={"fits", "numpy"},
    code_version=versions.PROCESS,
)
def processed_frames(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> NightlyEvents:
    """Calibrated, masked and solved frames with variance, PSF and zero point."""
    from astrid_assets.steps.processed_frames.process import process_nights

    tools = Tools(catalogue, store, compute)
    yield from run_nights(context, tools, process_nights, force=config.force)
