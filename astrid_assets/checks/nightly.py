"""Gates of the nightly assets: one check per gate, one result per night."""

from collections.abc import Iterator, Mapping

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
)

from astrid_assets.checks._verdicts import night_evaluations
from astrid_assets.partitions import survey_date
from astrid_assets.science.quality.difference_gates import DIFFERENCE_GATES
from astrid_assets.science.quality.gates import OTHER_GATES
from astrid_assets.science.quality.master_gates import MASTER_GATES
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS

NIGHTLY_GATES: Mapping[str, Mapping[str, str]] = {
    asset: {
        gate.name: f"{gate.claim} Value: {gate.number}."
        for gate in (*OTHER_GATES, *MASTER_GATES, *DIFFERENCE_GATES)
        if gate.asset == asset
    }
    for asset in NIGHTLY_ASSETS
}
"""Gates by asset, each with the claim it tests and what its value is."""


def nightly_checks(asset: str) -> dg.AssetChecksDefinition:
    """Return the checks that show the verdicts on an asset's nights."""
    specs = [
        dg.AssetCheckSpec(name=gate, asset=asset, description=claim, partitions_def=survey_date)
        for gate, claim in NIGHTLY_GATES[asset].items()
    ]

    @dg.multi_asset_check(specs=specs, name=f"{asset}_gates")
    def gates(
        context: dg.AssetCheckExecutionContext,
        catalogue: dg.ResourceParam[Catalogue],
    ) -> Iterator[AssetCheckEvaluation | dg.Output[None]]:
        yield from night_evaluations(context, catalogue, asset)

    return gates


raw_observations_gates = nightly_checks("raw_observations")
calibration_masters_gates = nightly_checks("calibration_masters")
processed_frames_gates = nightly_checks("processed_frames")
difference_images_gates = nightly_checks("difference_images")
detections_gates = nightly_checks("detections")
injected_transients_gates = nightly_checks("injected_transients")
light_curves_gates = nightly_checks("light_curves")
validated_labels_gates = nightly_checks("validated_labels")
