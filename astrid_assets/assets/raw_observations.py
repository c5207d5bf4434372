"""`raw_observations`: one asset of the graph; the work is in `steps.raw_observations.ingest`."""

from astrid_assets.assets._nightly import NightlyStep, nightly_asset
from astrid_assets.steps import versions


@nightly_asset(
    group_name="frames",
    kinds={"fits"},
    code_version=versions.REGISTER,
)
def raw_observations() -> NightlyStep:
    """Frames that the survey's source holds for a night, ingested by content."""
    from astrid_assets.steps.raw_observations.ingest import register_from_source

    return register_from_source
