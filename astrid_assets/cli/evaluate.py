"""`astrid evaluate [MODEL]`: how good a model is, with intervals; also by folds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from astrid_assets.cli.given import in_a_folder, not_empty
from astrid_assets.cli.listing import FORMATS, csv_of, print_rows
from astrid_assets.cli.training_settings import assigned, changed_settings

if TYPE_CHECKING:
    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.learning.cross_validate import CrossValidation
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools

    Row = dict[str, str | float | bool | None]

SHOWN = {"metric": "", "value": ".4f", "low": ".4f", "high": ".4f"}
"""Columns of the table and their formats."""


@click.command("evaluate")
@click.argument(
    "model",
    required=False,
    callback=not_empty,
    help="Id or version of a model, or the beginning of its id; without: the one in force.",
)
@click.option(
    "--dataset",
    "dataset_id",
    callback=not_empty,
    help="Id of the dataset version; without: the newest.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the numbers are printed; json holds everything, slices and curves too.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=in_a_folder,
    help="File to write instead of printing.",
)
@click.option(
    "--baseline",
    type=click.Choice(["cnn"]),
    help="Train a small CNN of braai's size on the same rows and compare.",
)
@click.option("--all", "all_models", is_flag=True, help="Rank all models on rows none has seen.")
@click.option(
    "--cross-validate",
    "folds",
    type=click.IntRange(2, 20),
    metavar="K",
    help="Instead of a model, judge a way of training: K trainings, each judging one part.",
)
@click.option("--temporal", is_flag=True, help="With --cross-validate: judge later nights.")
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --cross-validate: settings of the training, as JSON.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --cross-validate: a setting of the training, as of astrid train.",
)
def evaluate_command(
    model: str | None,
    dataset_id: str | None,
    kind: str,
    output: Path | None,
    baseline: str | None,
    all_models: bool,
    folds: int | None,
    temporal: bool,
    settings_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Measure how good MODEL is on the rows of a dataset that its training never saw.

    The test split of the newest dataset version, unless another one is named. What was
    found is kept and shown on the models page. Intervals are of 95 % over objects.

    \b
    Example:
      astrid evaluate
      astrid evaluate --baseline cnn --format json --output evaluation.json
      astrid evaluate --all
      astrid evaluate --cross-validate 5
      astrid evaluate --cross-validate 4 --temporal --set members=3
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import prepare_home
    from astrid_assets.learning.folds import CannotFold
    from astrid_assets.learning.metrics.targets import NoThreshold
    from astrid_assets.learning.ranking import CannotEvaluate
    from astrid_assets.steps.learning.settings import NoDataset, NoModel

    if folds is None and (temporal or settings_file or assignments):
        raise click.UsageError("--temporal, --settings and --set belong to --cross-validate")
    if folds is not None and (model or baseline or all_models):
        raise click.UsageError("--cross-validate judges a way of training, not a model")
    training = changed_settings(_training_settings(settings_file), assigned(assignments))
    home = prepare_home()
    try:
        tools, arrays = _opened(dataset_id, home / "work")
        if folds is not None:
            asked = {"folds": folds, "temporal": temporal}
            rows, whole = _folds(tools, arrays, asked, training, home / "work")
        elif all_models:
            rows, whole = _ranking(tools, arrays)
        else:
            rows, whole = _one(tools, arrays, model, baseline, home / "work")
    except (NoModel, NoDataset, CannotEvaluate, CannotFold, NoThreshold) as error:
        raise click.ClickException(str(error)) from error
    if kind == "json":
        text = json.dumps(whole, indent=1, allow_nan=False) + "\n"
    elif kind == "csv" or output is not None:
        text = csv_of(rows)
    else:
        print_rows(rows, _columns(rows), kind)
        return
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        click.echo(f"wrote {output}")


def _opened(dataset_id: str | None, work: Path) -> tuple[Tools, DatasetArrays]:
    from astrid_assets.cli.workplace import open_catalogue, open_store
    from astrid_assets.compute import Compute
    from astrid_assets.steps.learning.opening import open_dataset, require_dataset
    from astrid_assets.steps.nights import Tools

    tools = Tools(open_catalogue(), open_store(), Compute())
    row = require_dataset(tools, dataset_id)
    return tools, open_dataset(tools, row, work / "datasets")


def _one(
    tools: Tools, arrays: DatasetArrays, name: str | None, baseline: str | None, work: Path
) -> tuple[list[Row], dict[str, object]]:
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.learning.compare_models import baseline_scores
    from astrid_assets.steps.learning.evaluate import judge_model, keep_evaluation
    from astrid_assets.steps.learning.score import find_model
    from astrid_assets.steps.learning.seen import never_seen
    from astrid_assets.storage.database.tables.learning import TrainingRun

    model = find_model(tools, name)
    rows = never_seen(tools, model, arrays)
    baselines = {}
    if baseline is not None:
        with tools.catalogue.read() as session:
            run = session.get(TrainingRun, model.training_run_id)
        params = run.training_params if run else {}
        settings = TrainingSettings.model_validate(params)
        baselines["cnn"] = baseline_scores(arrays, rows, settings, work)
    judged = judge_model(tools, model, arrays, rows, baselines=baselines)
    asked: dict[str, object] = {"baseline": baseline} if baseline else {}
    keep_evaluation(tools, judged, arrays, kind="split", settings=asked, model=model)
    whole = {
        "model": model.id,
        "version": model.version,
        "dataset": arrays.row.id,
        **judged.metrics(),
    }
    return _rows(judged.evaluation), whole


def _ranking(tools: Tools, arrays: DatasetArrays) -> tuple[list[Row], dict[str, object]]:
    from astrid_assets.steps.learning.compare_models import rank_models
    from astrid_assets.steps.learning.seen import UnknownTraining, seen_by_none
    from astrid_assets.steps.learning.settings import NoModel
    from astrid_assets.storage.queries import models

    with tools.catalogue.read() as session:
        known = models.all_models(session)
    if not known:
        raise NoModel("no model was trained yet: materialize trained_unet first")
    try:
        rows = seen_by_none(tools, known, arrays)
    except UnknownTraining as error:
        raise click.ClickException(str(error)) from error
    ranked = rank_models(tools, known, arrays, rows)
    found: list[Row] = []
    for entry in ranked:
        area, behind = entry.ranking.roc_auc, entry.behind
        found.append(
            {
                "model": f"{entry.model.name} v{entry.model.version}",
                "id": entry.model.id,
                "roc_auc": area.value,
                "low": area.low,
                "high": area.high,
                "fpr_at_95_completeness": entry.ranking.fpr_at_95_completeness.value,
                "best_is_better_by": None if behind is None else behind.roc_auc.value,
                "by_at_least": None if behind is None else behind.roc_auc.low,
                "by_at_most": None if behind is None else behind.roc_auc.high,
            }
        )
    return found, {"dataset": arrays.row.id, "rows": len(rows), "models": found}


def _folds(
    tools: Tools,
    arrays: DatasetArrays,
    asked: dict[str, object],
    training: TrainingSettings,
    work: Path,
) -> tuple[list[Row], dict[str, object]]:
    from astrid_assets.steps.learning.cross_validate import FoldSettings, cross_validate

    found = cross_validate(
        tools,
        arrays,
        training,
        FoldSettings.model_validate(asked),
        work,
        on_fold=lambda part: click.echo(
            f"{part.fold.name}: {len(part.fold.judged)} judged, {part.seconds:.0f} s", err=True
        ),
    )
    whole = {"dataset": arrays.row.id, **found.row.metrics, "settings": found.row.settings}
    return _fold_rows(found), whole


def _training_settings(path: Path | None) -> TrainingSettings:
    from pydantic import ValidationError

    from astrid_assets.learning.settings import TrainingSettings

    if path is None:
        return TrainingSettings()
    try:
        return TrainingSettings.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise click.ClickException(f"{path}: {error}") from error


def _fold_rows(found: CrossValidation) -> list[Row]:
    rows = _rows(found.judged.evaluation)
    for name, ranking in found.rankings.items():
        area = ranking.roc_auc
        rows.append({"metric": f"roc_auc, {name}", **asdict(area)})
    return rows


def _rows(evaluation: Evaluation) -> list[Row]:
    """Return one row per number, its interval beside it."""
    flat = evaluation.flat()
    ends = ("_low", "_high")
    return [
        {
            "metric": name,
            "value": value,
            "low": flat.get(f"{name}_low"),
            "high": flat.get(f"{name}_high"),
        }
        for name, value in flat.items()
        if not (name.endswith(ends) and name.rsplit("_", 1)[0] in flat)
    ]


def _columns(rows: list[Row]) -> dict[str, str]:
    if rows and "metric" in rows[0]:
        return SHOWN
    return {
        name: ".4f" if any(isinstance(row[name], float) for row in rows) else ""
        for name in (rows[0] if rows else {})
        if name != "id"
    }
