"""`astrid train`: train a model on a dataset version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrid_assets.cli.training_settings import assigned, changed_settings

if TYPE_CHECKING:
    from astrid_assets.learning.segmentation_task import EpochMetrics
    from astrid_assets.steps.learning.train import TrainedVersion


@click.command("train")
@click.option("--dataset", "dataset_id", help="Id of the dataset version; without: the newest.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the training, such as epochs=30; may be given several times.",
)
@click.option(
    "--best-of-search",
    is_flag=True,
    help="Take the best settings of the newest search on the dataset (astrid tune).",
)
@click.option(
    "--again",
    is_flag=True,
    help="Another attempt on the same data and settings, with further seeds.",
)
def train_command(
    dataset_id: str | None, assignments: tuple[str, ...], best_of_search: bool, again: bool
) -> None:
    """Train a model and judge it on the frozen test split; it is not deployed.

    Asked again with the same settings, the finished training is printed; one that was cut
    off goes on from its last checkpoint. What --set gives comes before what a search found.
    With --again another one is trained, which counts as a further attempt when it is judged
    for deployment.

    \b
    Example:
      astrid train
      astrid train --set epochs=30 --set learning_rate=1e-3
      astrid train --best-of-search --set members=3
      astrid train --again
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import (
        open_catalogue,
        open_store,
        open_tracking,
        prepare_home,
    )
    from astrid_assets.compute import Compute
    from astrid_assets.learning.datamodule import UnusableDataset
    from astrid_assets.learning.ranking import CannotEvaluate
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.learning.attempts import next_attempt
    from astrid_assets.steps.learning.search_results import best_settings
    from astrid_assets.steps.learning.settings import NoDataset, NoSearch
    from astrid_assets.steps.learning.train import train_model
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.queries.datasets import AmbiguousDataset

    settings = changed_settings(TrainingSettings(), assigned(assignments))
    home = prepare_home()
    tools = Tools(open_catalogue(), open_store().verifying(), Compute())
    try:
        if best_of_search:
            found = best_settings(tools, settings, dataset_id)
            settings = changed_settings(found, assigned(assignments))
        if again:
            settings = next_attempt(tools, settings, dataset_id)
        trained = train_model(
            tools,
            open_tracking(),
            settings,
            home / "work",
            dataset_id=dataset_id,
            on_epoch=_say,
        )
    except (NoDataset, AmbiguousDataset, NoSearch, UnusableDataset, CannotEvaluate) as error:
        raise click.ClickException(str(error)) from error
    _print(trained)


def _say(metrics: EpochMetrics) -> None:
    click.echo(
        f"member {metrics['member'] + 1:.0f}, epoch {metrics['epoch'] + 1:.0f}: "
        f"train loss {metrics['train_loss']:.4f}, val loss {metrics['val_loss']:.4f}, "
        f"val AUC {metrics['val_auc']:.4f}",
        err=True,
    )


def _print(trained: TrainedVersion) -> None:
    model, area = trained.model, trained.evaluation.model.roc_auc
    how = "known before" if trained.was_known else "trained"
    click.echo(
        f"{model.name} version {model.version} ({model.id}), {how}: ROC AUC {area.value:.4f} "
        f"({area.low:.4f} to {area.high:.4f}) on the test split of {trained.run.dataset_id}"
    )
    click.echo("astrid deploy compares it with the model in force")
