"""`astrid lineage WHAT`: what a model was made of, and which models saw a frame or detection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from astrid_assets.storage.queries.model_lineage import ModelLineage, SawIt


@click.command("lineage")
@click.argument(
    "what",
    metavar="MODEL|DETECTION|FRAME",
    help="Version, id or beginning of the id of a model, or champion; name or id of a detection; "
    "id or path of a frame.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the answer as JSON, as /lineage gives it."
)
def lineage_command(what: str, as_json: bool) -> None:
    """Show where a model comes from, or where a frame or a detection went.

    Backward from a model: its dataset, label events, nights, differences, frames and code.
    Forward from a frame or a detection: every model that learned from it, was judged on it or
    scored it.

    \b
    Example:
      astrid lineage champion
      astrid lineage AST25aabc.2
      astrid lineage frames/2025-03-04/n0412.fits
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.storage.queries.frame_names import AmbiguousFrame
    from astrid_assets.storage.queries.lineage_items import find_item
    from astrid_assets.storage.queries.model_lineage import model_lineage, models_that_saw

    prepare_home()
    with open_catalogue().read() as session:
        try:
            item = find_item(session, what)
        except AmbiguousFrame as error:
            raise click.ClickException(str(error)) from error
        if item is None:
            raise click.ClickException(
                f"there is no model, detection or frame {what}: astrid models and astrid "
                "detections list those there are"
            )
        if item.model is not None:
            _print_model(model_lineage(session, item.model), as_json=as_json)
        else:
            found = models_that_saw(
                session, observation_id=item.observation_id, detection_id=item.detection_id
            )
            _print_models(found, as_json=as_json)


def _print_model(found: ModelLineage, *, as_json: bool) -> None:
    model, dataset = found.model, found.dataset
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1, allow_nan=False))
        return
    click.echo(f"{model.name} version {model.version} ({model.id}), code {found.code or 'unknown'}")
    if dataset is None:
        click.echo("the catalogue does not know what it was trained on")
    else:
        click.echo(f"dataset {dataset.name} {dataset.id}: {_counted(found.splits)}")
        click.echo(f"labels by {_counted(found.label_sources)}; {found.events} label events")
        click.echo(f"differences made with settings {', '.join(found.settings_hashes)}")
    for night in found.nights:
        click.echo(
            f"  {night.survey} {night.night}: {night.detections} detections on "
            f"{night.differences} differences of {night.frames} frames"
        )
    click.echo(f"it has scored {found.scored} detections")
    for row in found.decisions:
        click.echo(f"decision {row.sequence}, {row.action}: {row.reason}")


def _print_models(found: list[SawIt], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([saw.as_dict() for saw in found], indent=1, allow_nan=False))
        return
    if not found:
        click.echo("no model has seen it")
    for saw in found:
        learned = _counted(saw.splits) or "nothing of it in its dataset"
        force = ", was in force" if saw.was_in_force else ""
        click.echo(f"version {saw.model.version}{force}: {learned}; scored {saw.scored}")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
