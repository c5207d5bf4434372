"""`detections`: one asset of the graph; the work is in `steps.detections.detect`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.assets.difference_images import difference_images
from astrid_assets.steps import versions


@nightly_asset(
    deps=[difference_images],
    group_name="detection",
    kinds={"numpy", "onnx"},
    code_version=versions.DETECT,
)
def detections() -> NightlyStep:
    """Peaks of the score of both signs: tested, measured, scored, joined."""
    from astrid_assets.steps.detections.detect import detect_nights

    return detect_nights
