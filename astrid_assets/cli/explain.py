"""`astrid explain RA DEC [DATE]`: what was found at a position, and why not more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import datetime as dt

    from astrid_assets.steps.explain.explanation import Explanation, FrameExplanation


@click.command("explain", context_settings={"ignore_unknown_options": True})
@click.argument("ra", type=click.FloatRange(0, 360), help="Right ascension in degrees (ICRS).")
@click.argument("dec", type=click.FloatRange(-90, 90), help="Declination in degrees (ICRS).")
@click.argument(
    "date",
    required=False,
    metavar="[YYYY-MM-DD]",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Only this night; without: every night.",
)
@click.option("--survey", help="Only frames of this survey.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def explain_command(
    ra: float,
    dec: float,
    date: dt.datetime | None,
    survey: str | None,
    *,
    as_json: bool,
) -> None:
    """Say for each frame at RA, DEC (degrees) what it shows there, and why.

    \b
    Example:
      astrid explain 14.2633 -37.0399
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
    night = None if date is None else f"{date:%Y-%m-%d}"
    answer = explain(catalogue, open_store(), survey, ra, dec, night)
    if as_json:
        click.echo(json.dumps(asdict(answer), indent=1, allow_nan=False))
        return
    _print(answer)


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
