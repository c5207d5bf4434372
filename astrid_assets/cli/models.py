"""`astrid models`: the trained models, and which one is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrid_assets.cli.listing import FORMATS, print_rows

if TYPE_CHECKING:
    from astrid_assets.storage.database.tables.learning import Model, TrainingRun

COLUMNS = {
    "version": "",
    "in_force": "",
    "roc_auc": ".4f",
    "roc_auc_low": ".4f",
    "roc_auc_high": ".4f",
    "threshold": ".3f",
    "own_calibration": "",
    "created_at": "",
    "dataset": "",
    "id": "",
}


@click.command("models")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the models are printed.",
)
def models_command(kind: str) -> None:
    """List the trained models, the newest first, each judged on its own test split.

    \b
    Example:
      astrid models
      astrid models --format json
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.storage.queries import models

    prepare_home()
    with open_catalogue().read() as session:
        known = models.all_models(session)
        champion = models.champion(session)
        runs = {run.id: run for run in models.training_runs(session)}
    if not known and kind == "table":
        click.echo("no model was trained yet: astrid train trains one")
        return
    in_force = None if champion is None else champion.id
    print_rows([_row(model, runs, in_force) for model in known], COLUMNS, kind)


def _own_calibrations(model: Model) -> str:
    """Return the surveys with a calibration of their own, or that it is not known."""
    surveys = model.metrics.get("surveys")
    if surveys is None:
        return "not fitted"
    return ", ".join(name for name, one in surveys.items() if one["own"]) or "none"


def _row(
    model: Model, runs: dict[str, TrainingRun], in_force: str | None
) -> dict[str, str | float | bool | None]:
    run = runs.get(model.training_run_id or "")
    area = (model.metrics.get("model") or {}).get("roc_auc") or {}
    return {
        "version": model.version,
        "in_force": "yes" if model.id == in_force else "",
        "roc_auc": area.get("value"),
        "roc_auc_low": area.get("low"),
        "roc_auc_high": area.get("high"),
        "threshold": model.threshold,
        "own_calibration": _own_calibrations(model),
        "created_at": f"{model.created_at:%Y-%m-%d %H:%M}",
        "dataset": None if run is None else run.dataset_id,
        "id": model.id,
    }
