"""`deployed_model`: one asset of the graph; the work is in `steps.learning.deploy`."""

import dagster as dg
from pydantic import Field

from astrid_assets.assets._learning import deployment_metadata
from astrid_assets.assets.trained_unet import trained_unet
from astrid_assets.compute import Compute
from astrid_assets.failures import in_words
from astrid_assets.resources.environment import Addresses
from astrid_assets.science.quality.gates import DEPLOYMENT_IS_CONSISTENT
from astrid_assets.steps import versions
from astrid_assets.steps.learning.settings import (
    DEPLOYMENT_TAG,
    MIN_ROC_AUC,
    DeployedMeanwhile,
    DeploymentSettings,
    NoDataset,
    NoModel,
)
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore
from astrid_assets.storage.queries import gates, models
from astrid_assets.tracking.client import Tracking


class DeploymentConfig(dg.Config):
    """When to deploy, and what."""

    min_roc_auc: float = Field(
        default=MIN_ROC_AUC, ge=0.5, le=1, description="floor on the test split"
    )
    min_gain: float = Field(default=0.0, ge=0, le=1, description="average precision to gain")
    must_beat_snr: bool = Field(default=True, description="better than plain S/N")
    model: str | None = Field(
        default=None, description="id or version of the model; none: the newest"
    )
    survey: str = Field(
        default="",
        description="survey that it is to score alone, judged on its rows; empty: all surveys "
        "without a champion of their own",
    )
    force_because: str = Field(
        default="",
        description="not empty: deploy whatever the comparison says, for this reason",
    )


@dg.asset(
    deps=[trained_unet],
    group_name="learning",
    kinds={"onnx", "mlflow"},
    pool="training",
    code_version=versions.DEPLOY,
)
def deployed_model(
    context: dg.AssetExecutionContext,
    config: DeploymentConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
    tracking: dg.ResourceParam[Tracking],
) -> dg.MaterializeResult:
    """The model in force: the newest one if it is better, else the champion."""
    from astrid_assets.steps.learning.deploy import deploy_newest

    tools = Tools(catalogue, store, compute)
    settings = DeploymentSettings(
        min_roc_auc=config.min_roc_auc,
        min_gain=config.min_gain,
        must_beat_snr=config.must_beat_snr,
    )
    try:
        with in_words():
            report = deploy_newest(
                tools,
                tracking,
                settings,
                Addresses().home / "work",
                name=config.model,
                scope=config.survey,
                force_because=config.force_because,
            )
    except (NoModel, NoDataset, DeployedMeanwhile) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    with in_words(), catalogue.begin() as session:
        champion = models.champion(session, config.survey)
        in_force = champion is not None and store.exists(champion.onnx_key)
        verdict = DEPLOYMENT_IS_CONSISTENT.judge(
            None if champion is None else float(not in_force), at_most=0, detail=report.reason
        )
        gates.record(session, "", "", "deployed_model", [verdict])
    if report.sequence is not None:
        tags = {DEPLOYMENT_TAG: str(report.sequence)}
        context.instance.add_run_tags(context.run_id, tags)
    context.log.info("%s: %s", report.action, report.reason)
    return dg.MaterializeResult(metadata=deployment_metadata(report))
