"""`astrid lightcurve OBJECT`: the flux of an object on every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrid_assets.cli.listing import FORMATS, print_rows

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SHOWN = {
    "night": "",
    "observed_mjd": ".5f",
    "band": "",
    "flux_e": ".1f",
    "flux_err_e": ".1f",
    "flux_ujy": ".3f",
    "flux_err_ujy": ".3f",
    "detected": "",
}
"""Columns of the table and their formats."""


@click.command("lightcurve")
@click.argument("object_id", metavar="OBJECT", help="Name or id of the object.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the rows are printed.",
)
def lightcurve_command(object_id: str, kind: str) -> None:
    """Print the fluxes measured at the position of OBJECT, in time order.

    OBJECT is a name that `astrid detections` lists, or an id or its beginning. Fluxes
    are differences against the reference, in electrons of their frame and, where it has a zero
    point, in microjansky (if that is AB). Frames where it was not detected are
    among them.

    \b
    Example:
      astrid lightcurve AST25aabc
      astrid lightcurve AST25aabc --format csv > curve.csv
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.web.views.light_curve import light_curve

    prepare_home()
    with open_catalogue().read() as session:
        found = _object(session, object_id)
        curve = light_curve(session, found)
    rows = [
        {"name": curve.name}
        | point.model_dump(mode="json")
        | {"detected": "yes" if point.detection_id else "no"}
        for point in curve.points
    ]
    if not rows and kind == "table":
        click.echo(f"Object {found} has no fluxes yet.")
        return
    print_rows(rows, SHOWN, kind)
    if not curve.forced:
        click.echo(
            "Only its detections: `astrid backfill --upto light_curves` measures it on "
            "every frame.",
            err=True,
        )


def _object(session: Session, beginning: str) -> str:
    """Return the id of the one object that begins so."""
    from astrid_assets.storage.queries.light_curves import objects_like

    found = objects_like(session, beginning, limit=2)
    if not found:
        raise click.ClickException(
            f"there is no object {beginning}; `astrid detections` lists their names"
        )
    if len(found) > 1:
        raise click.ClickException(f"more than one object begins with {beginning}; give more of it")
    return found[0]
