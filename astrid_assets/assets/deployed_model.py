"""`deployed_model`: one asset of the graph; the work is in `steps.learning.deploy`."""

import dagster as dg
from pydantic import Field

from astrid_assets.assets._learning import LEARNING_FRESHNESS, deployment_metadata
from astrid_assets.assets.trained_unet import trained_unet
from astrid_assets.compute import Compute
from astrid_assets.failures import in_words
from astrid_assets.resources.environment import Addresses
from astrid_assets.science.quality.gates import DEPLOYMENT_IS_CONSISTENT
from astrid_assets.steps import versions
from astrid_assets.steps.learning.settings import (
    DEPLOYMENT_TAG,
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


class DeploymentConfig(DeploymentSettings, dg.Config):
    """The limits of the gate, and what to deploy."""

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
    freshness_policy=LEARNING_FRESHNESS,
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
    from astrid_assets.steps.learning.deployment.every_scope import deploy_in_every_scope

    tools = Tools(catalogue, store, compute)
    settings = DeploymentSettings(**config.model_dump(include=set(DeploymentSettings.model_fields)))
    try:
        with in_words():
            work = Addresses().home / "work"
            if config.model or config.survey or config.force_because:
                report = deploy_newest(
                    tools,
                    tracking,
                    settings,
                    work,
                    name=config.model,
                    scope=config.survey,
                    force_because=config.force_because,
                )
                reports = {config.survey: report}
            else:
                reports = deploy_in_every_scope(tools, tracking, settings, work)
                report = reports[""]
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
        context.instance.add_run_tags(context.run.run_id, tags)
    for scope, each in reports.items():
        context.log.info("%s: %s: %s", scope or "common champion", each.action, each.reason)
    own = {
        f"own champion of {scope}": dg.MetadataValue.text(f"{each.action}: {each.reason}")
        for scope, each in reports.items()
        if scope
    }
    return dg.MaterializeResult(metadata={**deployment_metadata(report), **own})
