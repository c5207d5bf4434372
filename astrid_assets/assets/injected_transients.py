"""`injected_transients`: an asset; the work is in `steps.injected_transients`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.assets.difference_images import difference_images
from astrid_assets.steps import versions


@nightly_asset(
    deps=[difference_images],
    group_name="detection",
    kinds={"table", "numpy"},
    code_version=versions.INJECT,
)
def injected_transients() -> NightlyStep:
    """Artificial transients in frames of the night: what would have been found."""
    from astrid_assets.steps.injected_transients.inject import inject_nights

    return inject_nights
