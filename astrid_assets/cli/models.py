"""`astrid models`: the trained models, which are in force, and what became of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrid_assets.cli.listing import FORMATS, print_rows

if TYPE_CHECKING:
    from astrid_assets.storage.database.tables.learning import Model, TrainingRun

COLUMNS = {
    "version": "",
    "state": "",
    "aliases": "",
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

    States: in force (champion), refused, replaced, rolled back; empty: not judged yet. The
    aliases of a survey's own champion end in its name.

    \b
    Example:
      astrid models
      astrid models --format json
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.steps.learning.deployment.aliases import aliases_of
    from astrid_assets.storage.queries import models
    from astrid_assets.storage.queries.deployment_outcomes import outcomes_of

    prepare_home()
    with open_catalogue().read() as session:
        known = models.all_models(session)
        states = outcomes_of(session)
        named = sorted(aliases_of(session).items())
        runs = {run.id: run for run in models.training_runs(session)}
    if not known and kind == "table":
        click.echo("no model was trained yet: astrid train trains one")
        return
    rows = [
        {
            **_row(model, runs),
            "state": states.get(model.id, ""),
            "aliases": " ".join(name for name, version in named if version == model.version),
        }
        for model in known
    ]
    print_rows(rows, COLUMNS, kind)


def _own_calibrations(model: Model) -> str:
    """Return the surveys with a calibration of their own, or that it is not known."""
    surveys = model.metrics.get("surveys")
    if surveys is None:
        return "not fitted"
    return ", ".join(name for name, one in surveys.items() if one["own"]) or "none"


def _row(model: Model, runs: dict[str, TrainingRun]) -> dict[str, str | float | bool | None]:
    run = runs.get(model.training_run_id or "")
    area = (model.metrics.get("model") or {}).get("roc_auc") or {}
    return {
        "version": model.version,
        "roc_auc": area.get("value"),
        "roc_auc_low": area.get("low"),
        "roc_auc_high": area.get("high"),
        "threshold": model.threshold,
        "own_calibration": _own_calibrations(model),
        "created_at": f"{model.created_at:%Y-%m-%d %H:%M}",
        "dataset": None if run is None else run.dataset_id,
        "id": model.id,
    }
