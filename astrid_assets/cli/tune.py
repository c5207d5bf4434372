"""`astrid tune`: search for the settings of a training."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from astrid_assets.cli.listing import FORMATS, print_rows
from astrid_assets.cli.training_settings import assigned, changed_settings, first_fault

if TYPE_CHECKING:
    from astrid_assets.learning.search.settings import SearchSettings
    from astrid_assets.learning.search.trials import Trial
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.learning.search_results import SearchReport
    from astrid_assets.steps.nights import Tools

    Row = dict[str, str | float | bool | None]


@click.command("tune")
@click.option("--dataset", "dataset_id", help="Id of the dataset version; without: the newest.")
@click.option("--trials", type=click.IntRange(1), help="Combinations tried.  [default: 20]")
@click.option("--minutes", type=float, help="Wall time after which no trial goes on.")
@click.option(
    "--search",
    type=click.Choice(["grid", "random", "bayesian"]),
    help="How combinations are chosen.  [default: bayesian]",
)
@click.option(
    "--space",
    "space_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Values or ranges by the name of a setting (TOML); without: a space of ten settings.",
)
@click.option(
    "--metric",
    type=click.Choice(["val_auc", "val_candidate_loss", "val_loss"]),
    help="What trials are ranked by.  [default: val_auc]",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the training that is not searched; may be given several times.",
)
@click.option("--resume", is_flag=True, help="Go on with the newest search that was cut off.")
@click.option("--at-once", type=click.IntRange(1), help="Trials at once; without: one per core.")
@click.option("--gpus-per-trial", type=float, help="Share of a GPU that a trial takes.")
@click.option("--address", help="A Ray cluster, such as ray://head:10001; without: RAY_ADDRESS.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the draws.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the trials are printed.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the pictures: importance of settings, parallel coordinates.",
)
def tune_command(
    dataset_id: str | None,
    space_file: Path | None,
    assignments: tuple[str, ...],
    resume: bool,
    kind: str,
    output: Path | None,
    **asked: object,
) -> None:
    """Search for the settings that train best on a dataset, and keep what was found.

    Each trial trains on the frozen train split and is judged on the val split; the test
    split stays unseen. Asked again with the same options, a completed search is printed,
    and one that was cut off goes on. `astrid train --best-of-search` takes the best.

    \b
    Example:
      astrid tune --trials 30 --minutes 60
      astrid tune --search grid --space space.toml
      astrid tune --resume
    \b
    Example of a space:
      batch_size = [16, 32, 64]
      learning_rate = {low = 5e-4, high = 1e-2, log = true, steps = 4}
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import (
        open_catalogue,
        open_store,
        open_tracking,
        prepare_home,
    )
    from astrid_assets.compute import Compute
    from astrid_assets.learning.datamodule import UnusableDataset
    from astrid_assets.learning.search.settings import SearchFailed
    from astrid_assets.learning.search.space import BadSpace
    from astrid_assets.steps.learning.settings import NoDataset, NoSearch, SearchIsRunning
    from astrid_assets.steps.learning.tune import search_settings
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.queries.datasets import AmbiguousDataset

    given = {name: value for name, value in asked.items() if value is not None}
    if resume and (space_file or assignments or given.keys() - HOW):
        raise click.UsageError("--resume takes space and settings from the search that was cut off")
    home = prepare_home()
    tools = Tools(open_catalogue(), open_store().verifying(), Compute())
    try:
        settings, search = _settings(tools, dataset_id, space_file, assignments, given, resume)
        report = search_settings(
            tools,
            open_tracking(),
            settings,
            search,
            home / "work",
            dataset_id=dataset_id,
            on_trial=_say,
        )
    except (
        NoDataset,
        AmbiguousDataset,
        NoSearch,
        BadSpace,
        SearchFailed,
        SearchIsRunning,
        UnusableDataset,
    ) as error:
        raise click.ClickException(str(error)) from error
    _print(report, search, kind, output)


HOW = frozenset({"minutes", "at_once", "gpus_per_trial", "address"})
"""Options that may differ when a search goes on."""


def _settings(
    tools: Tools,
    dataset_id: str | None,
    space_file: Path | None,
    assignments: tuple[str, ...],
    given: dict[str, object],
    resume: bool,
) -> tuple[TrainingSettings, SearchSettings]:
    from pydantic import ValidationError

    from astrid_assets.learning.search.settings import SearchSettings
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.learning.search_results import cut_off_search

    if resume:
        settings, search = cut_off_search(tools, dataset_id)
        return settings, SearchSettings.model_validate(search.model_dump() | given)
    if space_file is not None:
        try:
            given = given | {"space": tomllib.loads(space_file.read_text("utf-8"))}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise click.ClickException(f"{space_file} is no TOML: {error}") from error
    try:
        search = SearchSettings.model_validate(given)
    except ValidationError as error:
        raise click.UsageError(first_fault(error)) from error
    return changed_settings(TrainingSettings(), assigned(assignments)), search


def _say(trial: Trial) -> None:
    if trial.status == "running":
        return
    values = ", ".join(f"{name} {_short(value)}" for name, value in trial.values.items())
    kept = trial.kept
    told = trial.error or (f"val AUC {kept['val_auc']:.4f}" if kept else "no epoch")
    click.echo(f"{trial.status} after {len(trial.history)} epochs, {told}: {values}", err=True)


def _print(report: SearchReport, search: SearchSettings, kind: str, output: Path | None) -> None:
    rows = [_row(trial) for trial in report.trials]
    for row in rows:
        if row["status"] == "running":
            row["status"] = "cut off"
    columns = {"status": "", "epochs": "d", "val_auc": ".4f", "val_candidate_loss": ".4f"}
    values = {name: "" for trial in report.trials for name in trial.values}
    print_rows(rows, columns | values | {"error": ""}, kind)
    if kind == "table":
        importance = report.row.importance
        if importance:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in importance.items())
            click.echo(f"share of the variance of {search.metric}: {shares}")
        if report.row.reason:
            click.echo(f"{report.row.reason}; asked again, it goes on")
        click.echo(f"search {report.row.id} of dataset {report.row.dataset_id}")
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for title, picture in report.pictures.items():
            path = output / f"{title.replace(' ', '_').replace(',', '')}.png"
            path.write_bytes(picture)
            click.echo(f"wrote {path}", err=True)


def _row(trial: Trial) -> Row:
    kept = trial.kept or {}
    return {
        "status": trial.status,
        "epochs": len(trial.history),
        "val_auc": kept.get("val_auc"),
        "val_candidate_loss": kept.get("val_candidate_loss"),
        **{name: _short(value) for name, value in trial.values.items()},
        "error": trial.error,
        "seconds": round(trial.seconds, 1),
    }


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
