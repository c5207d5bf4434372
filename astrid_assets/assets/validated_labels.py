"""`validated_labels`: one asset of the graph; the work is in `steps.validated_labels.label`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.assets.detections import detections
from astrid_assets.steps import versions


@nightly_asset(
    deps=[detections],
    group_name="labels",
    kinds={"sql"},
    code_version=versions.LABEL,
)
def validated_labels() -> NightlyStep:
    """The consensus of what reviewers said about the night's detections."""
    from astrid_assets.steps.validated_labels.label import label_nights

    return label_nights
