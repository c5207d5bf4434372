"""`calibration_masters`: an asset; the work is in `steps.calibration_masters.masters`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.assets.raw_observations import raw_observations
from astrid_assets.steps import versions


@nightly_asset(
    deps=[raw_observations],
    group_name="frames",
    kinds={"fits", "numpy"},
    code_version=versions.MASTERS,
)
def calibration_masters() -> NightlyStep:
    """Master bias, dark and flat frames, and which of them each light frame uses."""
    from astrid_assets.steps.calibration_masters.masters import masters_nights

    return masters_nights
