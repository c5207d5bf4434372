"""`astrid detections`: what was found, as a table, CSV or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrid_assets.cli.listing import FORMATS, print_rows

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.orm import Session

    from astrid_assets.storage.queries.search import DetectionFilter, FoundDetection

SHOWN = {
    "survey": "",
    "night": "",
    "name": "",
    "ra_deg": ".6f",
    "dec_deg": "+.6f",
    "snr": "+.1f",
    "mag": ".2f",
    "score": ".3f",
    "label": "",
    "file": "",
}
"""Columns of the table and their formats; `astrid lightcurve` and `astrid explain` take
the name."""


@click.command("detections")
@click.option("--survey", help="Only of this survey.")
@click.option("--night", type=click.DateTime(["%Y-%m-%d"]), help="Only of this night.")
@click.option("--name", help="Only of this object, or this detection, by its name.")
@click.option("--above", type=click.FloatRange(min=0), help="Only from this |S/N| on.")
@click.option("--new", is_flag=True, help="Only of objects that no earlier night has seen.")
@click.option(
    "--top", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the rows are printed.",
)
def detections_command(
    survey: str | None,
    night: dt.datetime | None,
    name: str | None,
    above: float | None,
    top: int,
    kind: str,
    *,
    new: bool,
) -> None:
    """List detections, the highest score first.

    The score is the deployed model's, or, before there is one, a plain ranking by
    S/N; `score_kind` in CSV and JSON says which.

    \b
    Example:
      astrid detections --survey mysurvey --night 2025-03-09 --top 20
      astrid detections --name AST25aabc
      astrid detections --new --above 10 --format csv > new.csv
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.surveys import stored_survey
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.storage.queries.search import DetectionFilter

    prepare_home()
    catalogue = open_catalogue()
    if survey is not None:
        stored_survey(catalogue, survey)
    wanted = DetectionFilter(
        survey=survey,
        night=None if night is None else f"{night:%Y-%m-%d}",
        min_sigma=above,
        name=name,
    )
    with catalogue.read() as session:
        found, is_all = _search(session, wanted, top, new=new)
    if not found and kind == "table":
        click.echo("No detection is like that.")
        return
    rows = [_row(each) for each in found]
    print_rows(rows, SHOWN, kind)
    if not is_all:
        click.echo(f"Only the first {top} are listed; --top lists more.", err=True)


def _search(
    session: Session, wanted: DetectionFilter, top: int, *, new: bool
) -> tuple[list[FoundDetection], bool]:
    """Return the first detections and whether they are all."""
    from astrid_assets.storage.database.paging import MAX_PAGE
    from astrid_assets.storage.queries import search
    from astrid_assets.storage.queries.light_curves import first_nights

    found: list[FoundDetection] = []
    cursor = None
    while True:
        page = search.search_detections(
            session, wanted, sort="score", limit=MAX_PAGE, cursor=cursor
        )
        rows = page.rows
        if new:
            ids = {row.object_id for row in rows if row.object_id is not None}
            first = first_nights(session, ids)
            rows = [
                row
                for row in rows
                if row.object_id is None or first.get(row.object_id, row.night) >= row.night
            ]
        found += rows
        cursor = page.cursor
        if len(found) > top or cursor is None:
            return found[:top], len(found) <= top


def _row(found: FoundDetection) -> dict[str, str | float | bool | None]:
    return {
        "survey": found.survey,
        "night": found.night,
        "observed_mjd": found.observed_mjd,
        "band": found.band,
        "name": found.name,
        "detection": found.detection_id,
        "object": found.object_id,
        "ra_deg": found.ra_deg,
        "dec_deg": found.dec_deg,
        "x": found.x,
        "y": found.y,
        "snr": found.score_sigma,
        "flux_e": found.flux_e,
        "flux_err_e": found.flux_err_e,
        "mag": found.mag,
        "mag_err": found.mag_err,
        "score": found.score,
        "score_kind": found.score_kind,
        "label": found.label,
        "carried_from": found.carried_from,
        "file": found.source_path,
    }
