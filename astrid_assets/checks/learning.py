"""Gates of the learning assets: what fails here goes no further in its run."""

from collections.abc import Mapping

import dagster as dg

from astrid_assets.checks._verdicts import whole_result
from astrid_assets.science.quality.gates import OTHER_GATES
from astrid_assets.storage.database.catalogue import Catalogue

LEARNING_GATES: Mapping[str, Mapping[str, str]] = {
    asset: {
        gate.name: f"{gate.claim} Value: {gate.number}."
        for gate in OTHER_GATES
        if gate.asset == asset
    }
    for asset in ("training_dataset", "trained_unet", "deployed_model")
}
"""Gates by asset, each with the claim it tests and what its value is."""


def learning_check(asset: str, gate: str) -> dg.AssetChecksDefinition:
    """Return the blocking check that shows a gate's verdict on an asset."""

    @dg.asset_check(
        name=gate,
        asset=asset,
        blocking=True,
        description=LEARNING_GATES[asset][gate],
    )
    def check(catalogue: dg.ResourceParam[Catalogue]) -> dg.AssetCheckResult:
        return whole_result(catalogue, asset, gate)

    return check


dataset_quality = learning_check("training_dataset", "dataset_quality")
image_quality = learning_check("training_dataset", "image_quality")
label_balance = learning_check("training_dataset", "label_balance")
no_leaks = learning_check("training_dataset", "no_leaks")
evaluation_floor = learning_check("trained_unet", "evaluation_floor")
enough_test_samples = learning_check("trained_unet", "enough_test_samples")
deployment_is_consistent = learning_check("deployed_model", "deployment_is_consistent")
