"""`detections`: one asset of the graph; the work is in `steps.detections.detect`."""

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
    kinds={"numpy", "onnx"},
    code_version=versions.DETECT,
)
def detections(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> NightlyEvents:
    """Peaks of the score of both signs: tested, measured, scored, joined."""
    from astrid_assets.steps.detections.detect import detect_nights

    tools = Tools(catalogue, store, compute)
    yield from run_nights(context, tools, detect_nights, force=config.force)
