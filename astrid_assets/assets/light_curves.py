"""`light_curves`: one asset of the graph; the work is in `steps.light_curves`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.assets.detections import detections
from astrid_assets.steps import versions


@nightly_asset(
    deps=[detections],
    group_name="detection",
    kinds={"table", "numpy"},
    code_version=versions.LIGHT_CURVES,
)
def light_curves() -> NightlyStep:
    """Fluxes of objects on every frame, seen there or not, and what moves."""
    from astrid_assets.steps.light_curves.measure import measure_nights

    return measure_nights
