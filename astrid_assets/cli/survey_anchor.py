"""`astrid survey anchor …`: which frames define a survey's fields; choose again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.steps.processed_frames.anchors import Group
    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.database.tables.frames import FieldAnchor, Observation
    from astrid_assets.surveys.profile import SurveyProfile

    Anchors = Sequence[tuple[FieldAnchor, Observation]]


@click.command("anchor")
@click.argument("name", help="Name of the survey.")
@click.option("--field", help="Only this field.")
@click.option("--band", help="Only this band.")
@click.option("--choose-again", is_flag=True, help="Choose anew, by the same rule.")
@click.option("--not-this-frame", is_flag=True, help="Leave the present frame out.")
def anchor_command(
    name: str, field: str | None, band: str | None, *, choose_again: bool, not_this_frame: bool
) -> None:
    """Show the frames that define positions and magnitudes; choose them again.

    An anchor is frozen. Choose again when it turned out bad (--not-this-frame) or
    when the profile has changed (a catalogue was added); then run the nights again:
    all that hang on it are computed anew.

    \b
    Example:
      astrid survey anchor mysurvey
      astrid survey anchor mysurvey --band r --choose-again --not-this-frame
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.surveys import profile_of, stored_survey
    from astrid_assets.cli.workplace import open_catalogue, prepare_home

    if not_this_frame and not choose_again:
        raise click.UsageError("--not-this-frame goes with --choose-again")
    prepare_home()
    catalogue = open_catalogue()
    profile = profile_of(stored_survey(catalogue, name))
    found = _anchors(catalogue, name, field, band)
    if not found:
        click.echo(f"{name} has no such anchor yet: astrid backfill --survey {name}")
        return
    if choose_again:
        for row, _ in found:
            group = row.field, row.band
            _choose(catalogue, profile, group, avoid_present=not_this_frame)
        click.echo(f"Then: astrid backfill --survey {name}")
        found = _anchors(catalogue, name, field, band)
    _print(found)


def _anchors(catalogue: Catalogue, name: str, field: str | None, band: str | None) -> Anchors:
    from astrid_assets.storage.queries import frames

    with catalogue.read() as session:
        return [
            (row, observation)
            for row, observation in frames.anchors(session, name)
            if field in (None, row.field) and band in (None, row.band)
        ]


def _choose(
    catalogue: Catalogue, profile: SurveyProfile, group: Group, *, avoid_present: bool
) -> None:
    from astrid_assets.cli.workplace import open_store
    from astrid_assets.compute import Compute
    from astrid_assets.steps.nights import Tools
    from astrid_assets.steps.processed_frames.anchors import choose_again

    tools = Tools(catalogue, open_store(), Compute("serial", 1))
    chosen = choose_again(tools, profile, group, avoid_present=avoid_present)
    if chosen is None:
        raise click.ClickException(
            f"no other frame of field {group[0]!r}, band {group[1]!r} can be the "
            "anchor; the present one is kept"
        )


def _print(found: Anchors) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("field", "band", "night", "frame", "places", "magnitudes")
    for row, observation in found:
        places = "local" if row.is_local else "of its header"
        magnitudes = "instrumental"
        if row.tie is not None:
            places = f"catalogue, {row.tie['n_matched']} stars"
            zero, error = (row.tie[f"zero_point{k}_mag"] for k in ("", "_err"))
            magnitudes = f"catalogue, {zero:.3f} ± {error:.3f}"
        table.add_row(
            row.field, row.band, observation.night, observation.source_path, places, magnitudes
        )
    Console().print(table)
