"""Gates of the nightly assets: one check per gate, one result per night."""

from collections.abc import Iterator, Mapping

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
)

from astrid_assets.checks._verdicts import night_evaluations
from astrid_assets.partitions import survey_date
from astrid_assets.science.quality.difference_gates import FRAME_GATES, METHODS_AGREE
from astrid_assets.storage.database.catalogue import Catalogue

NIGHTLY_GATES: Mapping[str, Mapping[str, str]] = {
    "raw_observations": {
        "frames_arrived": "The night's files hold at least one usable frame.",
    },
    "calibration_masters": {
        "bias_master": "The frames have a master bias whose members agree.",
        "dark_master": "The frames have a master dark whose members agree.",
        "flat_master": "The frames have a master flat whose members agree.",
    },
    "processed_frames": {
        "frame_quality": "At least one frame is good enough to subtract.",
        "rejected_fraction": "Most of the night's frames are usable.",
    },
    "difference_images": {
        **{gate.gate: gate.claim for gate in FRAME_GATES},
        METHODS_AGREE: "Both methods of subtraction give the same fluxes.",
    },
    "detections": {
        "candidate_density": "Fewer candidates than a bad subtraction leaves.",
    },
    "injected_transients": {
        "completeness": "Injected transients of S/N 10 to 20 are found.",
    },
    "light_curves": {
        "reference_is_clean": "No source is in the reference and nowhere else.",
    },
    "validated_labels": {
        "label_agreement": "Reviewers of the same detections mostly agree.",
        "label_balance": "Both real and bogus are among the night's labels.",
    },
}
"""Gates by asset, each with the claim it tests."""


def nightly_checks(asset: str) -> dg.AssetChecksDefinition:
    """Return the checks that tell the verdicts on an asset's nights."""
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
