"""`reference_frames`: one asset of the graph; the work is in `steps.reference_frames.stack`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.assets.processed_frames import processed_frames
from astrid_assets.steps import versions


@nightly_asset(
    deps=[processed_frames],
    group_name="differencing",
    kinds={"fits", "numpy"},
    code_version=versions.REFERENCE,
)
def reference_frames() -> NightlyStep:
    """Stacks of good frames of earlier nights, one per field and band."""
    from astrid_assets.steps.reference_frames.stack import reference_nights

    return reference_nights
