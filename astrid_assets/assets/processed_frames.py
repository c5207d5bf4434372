"""`processed_frames`: one asset of the graph; the work is in `steps.processed_frames.process`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.assets.calibration_masters import calibration_masters
from astrid_assets.assets.raw_observations import raw_observations
from astrid_assets.steps import versions


@nightly_asset(
    deps=[raw_observations, calibration_masters],
    group_name="frames",
    kinds={"fits", "numpy"},
    code_version=versions.PROCESS,
)
def processed_frames() -> NightlyStep:
    """Calibrated, masked and solved frames with variance, PSF and zero point."""
    from astrid_assets.steps.processed_frames.process import process_nights

    return process_nights
