"""`astrid explain NAME|RA DEC [DATE]`: what was found at a position, and why not more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from astrid_assets.steps.explain.explanation import Explanation, FrameExplanation
    from astrid_assets.storage.database.catalogue import Catalogue


@click.command("explain", context_settings={"ignore_unknown_options": True})
@click.argument(
    "where",
    nargs=-1,
    required=True,
    metavar="NAME|RA DEC [YYYY-MM-DD]",
    help="Name of an object or a detection, or right ascension and declination (ICRS), in degrees "
    "or sexagesimal; then a night, where only one is wanted.",
)
@click.option("--survey", help="Only frames of this survey.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def explain_command(
    where: tuple[str, ...],
    survey: str | None,
    *,
    as_json: bool,
) -> None:
    """Say for each frame at RA, DEC, or at NAME, what it shows there, and why.

    \b
    Example:
      astrid explain 14.2633 -37.0399
      astrid explain 00:57:03.2 -37:02:24
      astrid explain AST15aabc
      astrid explain 14.2633 -37.0399 2015-09-25 --survey kmtnet
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from dataclasses import asdict

    from astrid_assets.cli.surveys import stored_survey
    from astrid_assets.cli.workplace import open_catalogue, open_store, prepare_home
    from astrid_assets.steps.explain.explain import explain

    prepare_home()
    catalogue = open_catalogue()
    if survey is not None:
        stored_survey(catalogue, survey)
    ra, dec, night = _asked(catalogue, where)
    answer = explain(catalogue, open_store(), survey, ra, dec, night)
    if as_json:
        click.echo(json.dumps(asdict(answer), indent=1, allow_nan=False))
        return
    _print(answer)


def _asked(catalogue: Catalogue, where: tuple[str, ...]) -> tuple[float, float, str | None]:
    """Return RA, Dec and the night, None for every night."""
    from astrid_assets.storage.database.names import is_name
    from astrid_assets.storage.queries.naming import position_of

    if is_name(where[0]):
        with catalogue.read() as session:
            place = position_of(session, where[0])
        if place is None:
            raise click.ClickException(
                f"there is no object or detection {where[0]}; `astrid detections` lists names"
            )
        ra, dec, rest = *place, where[1:]
    elif len(where) == 1:
        raise click.UsageError(
            f"{where[0]!r} is neither a name such as AST25aabc nor RA and DEC in degrees"
        )
    else:
        ra, dec = _position(*where[:2])
        rest = where[2:]
    if len(rest) > 1:
        raise click.UsageError(f"after the position comes one night, not {' '.join(rest)}")
    night = click.DateTime(["%Y-%m-%d"])(rest[0]) if rest else None
    return float(ra), float(dec), None if night is None else f"{night:%Y-%m-%d}"


def _position(ra_text: str, dec_text: str) -> tuple[float, float]:
    """Return what was typed as a position, in degrees."""
    from astrid_assets.science.astrometry.angles import angle_deg

    ra, dec = angle_deg(ra_text, is_ra=True), angle_deg(dec_text, is_ra=False)
    if ra is None or dec is None:
        name, text = ("right ascension", ra_text) if ra is None else ("declination", dec_text)
        raise click.UsageError(
            f"{text!r} is no {name}: write degrees (266.4375 -29.0079) or hours and degrees "
            "(17:45:45 -29:00:28)"
        )
    return ra, dec


def _print(answer: Explanation) -> None:
    click.echo(f"{answer.ra_deg:.6f} {answer.dec_deg:+.6f}: {answer.sentence}")
    night = ""
    for frame in answer.frames:
        if f"{frame.survey} {frame.night}" != night:
            night = f"{frame.survey} {frame.night}"
            click.echo(f"\n{night}")
        click.echo(f"  {frame.source_path.rsplit('/', 1)[-1]} {frame.band}")
        click.echo(f"    {frame.sentence}")
        for line in _numbers(frame):
            click.echo(f"    {line}")
    if answer.n_left_out:
        click.echo(f"\n{answer.n_left_out} older frames are left out; name a DATE")


def _numbers(frame: FrameExplanation) -> list[str]:
    from astrid_assets.steps.explain.explanation import in_one_line

    lines = []
    if frame.score_sigma is not None and frame.flux_e is not None:
        text = (
            f"S_corr {frame.score_sigma:+.2f} at x={frame.x:.1f} y={frame.y:.1f}, "
            f"flux {frame.flux_e:.0f} ± {frame.flux_err_e:.0f} e"
        )
        text += "" if frame.mag is None else f" ({frame.mag:.2f} mag)"
        text += "" if frame.limit_mag is None else f", limit {frame.limit_mag:.2f} mag"
        lines.append(text)
    if frame.reference_version is not None:
        lines.append(
            f"reference {frame.reference_version[:12]} of frames up to {frame.reference_last_night}"
        )
    measured = in_one_line(frame.numbers)
    if measured:
        lines.append(f"frame: {measured}")
    if frame.subtraction is not None and frame.subtraction.words:
        lines.append(f"subtraction: {frame.subtraction.words}")
    if frame.masked_by:
        lines.append("mask there: " + ", ".join(frame.masked_by))
    notes = [*frame.frame_flags, *frame.difference_flags]
    lines += [f"note: {flag.message}" for flag in notes]
    return lines
