"""`validated_labels`: one asset of the graph; the work is in `steps.validated_labels.label`."""

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
    group_name="labels",
    kinds={"sql"},
    code_version=versions.LABEL,
)
def validated_labels(
    context: dg.AssetExecutionContext,
    config: NightlyConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> NightlyEvents:
    """The consensus of what reviewers said about the night's detections."""
    from astrid_assets.steps.validated_labels.label import label_nights

    tools = Tools(catalogue, store, compute)
    yield from run_nights(context, tools, label_nights, force=config.force)
