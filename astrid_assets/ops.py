"""Work on request that makes no asset of the graph: searches, evaluations, rollbacks.

An op tags its run with the row that it works on, so that whoever launched the run finds
it in the catalogue.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from astrid_assets.assets._learning import evaluation_metadata
from astrid_assets.assets._nightly import picture_metadata
from astrid_assets.compute import Compute
from astrid_assets.failures import in_words
from astrid_assets.learning.search.settings import SearchFailed, SearchSettings
from astrid_assets.learning.search.space import BadSpace, with_values
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.resources.environment import Addresses
from astrid_assets.steps.learning.settings import (
    DEPLOYMENT_TAG,
    DeployedMeanwhile,
    NoDataset,
    NoModel,
    SearchIsRunning,
)
from astrid_assets.steps.learning.watching.settings import HealthSettings
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore
from astrid_assets.tracking.client import Tracking

SEARCH_TAG = "astrid/search_id"


class TuningConfig(SearchSettings, dg.Config):
    """The search settings, in the launchpad."""

    dataset_id: str | None = Field(
        default=None, description="dataset version whose splits are used; none: the newest"
    )
    training: dict[str, Any] = Field(
        default={}, description="settings of the training that are not searched, by name"
    )


@dg.op(pool="training", out=dg.Out(dg.Nothing))
def tuning(
    context: dg.OpExecutionContext,
    config: TuningConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
    tracking: dg.ResourceParam[Tracking],
) -> None:
    """The settings that train best on a dataset, found by many short trainings."""
    from astrid_assets.learning.datamodule import UnusableDataset
    from astrid_assets.steps.learning.tune import search_settings

    search = SearchSettings(**config.model_dump(exclude={"dataset_id", "training"}))
    try:
        with in_words():
            report = search_settings(
                Tools(catalogue, store.verifying(), compute),
                tracking,
                # What is wrong with a value is a ValueError with its sentence.
                with_values(TrainingSettings(), config.training),
                search,
                Addresses().home / "work",
                dataset_id=config.dataset_id,
                on_begin=lambda search_id: context.instance.add_run_tags(
                    context.run_id, {SEARCH_TAG: search_id}
                ),
                on_trial=lambda trial: context.log.info(
                    "%s %s after %d epochs", trial.values, trial.status, len(trial.history)
                ),
            )
    except (
        NoDataset,
        BadSpace,
        SearchFailed,
        SearchIsRunning,
        UnusableDataset,
        ValueError,
    ) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    row = report.row
    context.add_output_metadata(
        {
            "search": dg.MetadataValue.text(row.id),
            "mlflow_run": dg.MetadataValue.text(str(row.mlflow_run_id)),
            "best settings": dg.MetadataValue.json(row.best_settings or {}),
            "importance": dg.MetadataValue.json(row.importance or {}),
            "trials": dg.MetadataValue.int(len(report.trials)),
            **{
                title: picture_metadata(picture, title)
                for title, picture in report.pictures.items()
            },
        }
    )


class EvaluationConfig(dg.Config):
    """Which model is judged, on which dataset version."""

    model: str | None = Field(
        default=None, description="id or version of the model; none: in force, else the newest"
    )
    dataset_id: str | None = Field(
        default=None, description="dataset version to judge it on; none: the newest"
    )


@dg.op(out=dg.Out(dg.Nothing))
def evaluation(
    context: dg.OpExecutionContext,
    config: EvaluationConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
) -> None:
    """How good a model is on what it never saw; shown on the models page."""
    from astrid_assets.learning.ranking import CannotEvaluate
    from astrid_assets.steps.learning.evaluate import judge_model, keep_evaluation
    from astrid_assets.steps.learning.opening import open_dataset, require_dataset
    from astrid_assets.steps.learning.score import find_model
    from astrid_assets.steps.learning.seen import UnknownTraining, never_seen

    tools = Tools(catalogue, store.verifying(), compute)
    try:
        with in_words():
            dataset = require_dataset(tools, config.dataset_id)
            arrays = open_dataset(tools, dataset, Addresses().home / "work" / "datasets")
            model = find_model(tools, config.model)
            judged = judge_model(tools, model, arrays, never_seen(tools, model, arrays))
            row = keep_evaluation(tools, judged, arrays, kind="split", settings={}, model=model)
    except (NoDataset, NoModel, CannotEvaluate, UnknownTraining, ValueError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.add_output_metadata(
        {
            "evaluation": dg.MetadataValue.text(row.id),
            "model": dg.MetadataValue.text(f"{model.name} version {model.version}"),
            **evaluation_metadata(judged.evaluation),
        }
    )


class HealthConfig(HealthSettings, dg.Config):
    """The limits of the health, in the launchpad."""


@dg.op(out=dg.Out(dg.Nothing))
def learning_health(
    context: dg.OpExecutionContext,
    config: HealthConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
    tracking: dg.ResourceParam[Tracking],
) -> None:
    """Errors, purity and speed of models; backlog and age of labels; frames that no longer come."""
    from astrid_assets.steps.learning.watching.health import measure_health

    with in_words():
        rows = measure_health(
            Tools(catalogue, store, compute), tracking, config, {"dagster_run_id": context.run_id}
        )
    verdicts = {None: "not judged", True: "passed", False: "**FAILED**"}
    context.add_output_metadata(
        {
            "health": dg.MetadataValue.md(
                "| survey | number | | |\n|---|---|---|---|\n"
                + "\n".join(
                    f"| {row.survey} | {row.number} | {verdicts[row.passed]} | {row.detail} |"
                    for row in rows
                )
            )
        }
    )


class RollbackConfig(dg.Config):
    """Which model comes back, and why."""

    because: str = Field(description="the reason, in words; kept with the decision")
    to: str | None = Field(
        default=None,
        description="id or version of the model, or `common` for a survey's way back to the common "
        "champion; none: the one before the champion",
    )
    survey: str = Field(
        default="", description="survey whose own champion is taken back; empty: the common one"
    )


@dg.op(out=dg.Out(dg.Nothing))
def rollback(
    context: dg.OpExecutionContext,
    config: RollbackConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
    tracking: dg.ResourceParam[Tracking],
) -> None:
    """An earlier model in force again, and the aliases of MLflow with it."""
    from astrid_assets.steps.learning.deployment.in_force import roll_back

    if not config.because.strip():
        raise dg.Failure("a rollback needs its reason in `because`", allow_retries=False)
    tools = Tools(catalogue, store, compute)
    try:
        with in_words():
            row, model = roll_back(
                tools, tracking, config.because, to=config.to, scope=config.survey
            )
    except (NoModel, DeployedMeanwhile) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.instance.add_run_tags(context.run_id, {DEPLOYMENT_TAG: str(row.sequence)})
    context.add_output_metadata(
        {
            "in force": dg.MetadataValue.text(f"{model.name} version {model.version}"),
            "onnx_sha256": dg.MetadataValue.text(model.onnx_sha256),
            "reason": dg.MetadataValue.text(row.reason),
        }
    )
