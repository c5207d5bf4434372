"""`difference_images`: an asset; the work is in `steps.difference_images.subtract`."""

import dagster as dg

from astrid_assets.assets._nightly import (
    NightlyConfig,
    NightlyEvents,
    nightly_asset,
    run_nights,
)
from astrid_assets.assets.processed_frames import processed_frames
from astrid_assets.assets.reference_frames import reference_frames
from astrid_assets.compute import Compute
from astrid_assets.steps import versions
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore


@nightly_asset(
    deps=[processed_frames, reference_frames],
    group_name="differencing",
    kinds={"fits", "numpy"},
    code_version=versions.SUBTRACT,
)
def difference_images(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> NightlyEvents:
    """Science minus reference by ZOGY: D, its PSF, and S_corr in sigma."""
    from astrid_assets.steps.difference_images.subtract import subtract_nights

    tools = Tools(catalogue, store, compute)
    yield from run_nights(context, tools, subtract_nights, force=config.force)
