"""Gates of the learning assets: what fails here goes no further in its run."""

from collections.abc import Mapping

import dagster as dg

from astrid_assets.checks._verdicts import whole_result
from astrid_assets.storage.database.catalogue import Catalogue

LEARNING_GATES: Mapping[str, Mapping[str, str]] = {
    "training_dataset": {
        "dataset_quality": "Quality score and image quality reach their limits.",
        "label_balance": "Both classes are present in the training set.",
    },
    "trained_unet": {
        "evaluation_floor": "The model separates real from bogus on unseen samples.",
    },
    "deployed_model": {
        "deployment_is_consistent": "The champion's file is in the store.",
    },
}
"""Gates by asset, each with the claim it tests."""


def learning_check(asset: str, gate: str) -> dg.AssetChecksDefinition:
    """Return the blocking check that tells a gate's verdict on an asset."""

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
label_balance = learning_check("training_dataset", "label_balance")
evaluation_floor = learning_check("trained_unet", "evaluation_floor")
deployment_is_consistent = learning_check("deployed_model", "deployment_is_consistent")
