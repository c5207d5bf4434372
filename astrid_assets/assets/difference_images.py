"""`difference_images`: an asset; the work is in `steps.difference_images.subtract`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.assets.processed_frames import processed_frames
from astrid_assets.assets.reference_frames import reference_frames
from astrid_assets.steps import versions


@nightly_asset(
    deps=[processed_frames, reference_frames],
    group_name="differencing",
    kinds={"fits", "numpy"},
    code_version=versions.SUBTRACT,
)
def difference_images() -> NightlyStep:
    """Science minus reference by ZOGY: D, its PSF, and S_corr in sigma."""
    from astrid_assets.steps.difference_images.subtract import subtract_nights

    return subtract_nights
