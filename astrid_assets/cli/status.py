"""`astrid status`: what there is, what is in force, and what needs somebody."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.database.tables.frames import Survey
    from astrid_assets.storage.database.tables.nights import GateVerdict

SHOWN_HELD_BACK = 10
MANY = 1000  # verdicts looked at for what is blocked


@click.command("status")
@click.option("--survey", help="Show every night of this survey.")
def status_command(survey: str | None) -> None:
    """Show how far each survey is, the model in force and what needs somebody.

    Nights are outdated when their inputs or settings have changed since they were
    done. No frame is read to find out, and new files are not looked for.

    \b
    Example:
      astrid status
      astrid status --survey mysurvey
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console

    from astrid_assets.cli.night_table import night_counts, night_table
    from astrid_assets.cli.surveys import stored_survey, stored_surveys
    from astrid_assets.cli.workplace import open_catalogue, prepare_home

    prepare_home()
    console = Console()
    catalogue = open_catalogue()
    if survey is not None:
        outdated = outdated_of(catalogue, stored_survey(catalogue, survey))
        with catalogue.read() as session:
            counts = night_counts(session, survey)
            for row in counts:
                row.outdated = outdated.get(row.night)
            console.print(night_table(counts, "Nights"))
            _print_undated(console, session, survey)
        print_label_cost(console, catalogue, stored_survey(catalogue, survey))
        return
    rows = stored_surveys(catalogue)
    if not rows:
        click.echo("No survey yet. Try `astrid demo`, or add frames of your own:")
        click.echo("  astrid survey add NAME --folder PATH")
        return
    with catalogue.read() as session:
        _print_surveys(console, session, [row.name for row in rows])
        for row in rows:
            _print_undated(console, session, row.name)
        _print_learning(console, session)
        _print_blocked_nights(console, session)
    for row in rows:
        print_outdated(console, row.name, outdated_of(catalogue, row))
        print_label_cost(console, catalogue, row)


def outdated_of(catalogue: Catalogue, row: Survey) -> dict[str, str]:
    """Return nights of a survey that would be done again, with the first such asset."""
    from astrid_assets.cli.surveys import profile_of
    from astrid_assets.cli.workplace import open_store
    from astrid_assets.compute import Compute
    from astrid_assets.steps.nights import Tools
    from astrid_assets.steps.outdated import outdated_nights

    tools = Tools(catalogue, open_store(), Compute())
    return outdated_nights(tools, profile_of(row))


def print_outdated(console: Console, survey: str, outdated: dict[str, str]) -> None:
    """Print which nights would be done again, and how."""
    if not outdated:
        return
    nights = sorted(outdated)
    counts = Counter(outdated.values())
    told = ", ".join(f"{asset} of {n}" for asset, n in counts.items())
    span = nights[0] if len(nights) == 1 else f"{nights[0]} to {nights[-1]}"
    console.print(
        f"[yellow]Outdated[/yellow] {survey} {span}: inputs or settings have changed "
        f"since they were done ({told}). `astrid status --survey {survey}` shows "
        f"which, `astrid backfill --survey {survey}` does them again.",
        highlight=False,
    )


def print_label_cost(console: Console, catalogue: Catalogue, row: Survey) -> None:
    """Print what labels will change in a survey's references when its nights are run."""
    from astrid_assets.cli.surveys import profile_of
    from astrid_assets.steps.reference_frames.cost import label_cost

    with catalogue.read() as session:
        cost = label_cost(session, profile_of(row))
    if cost.words:
        console.print(
            f"[yellow]Labels[/yellow] {row.name}: {cost.words}. "
            f'`known_transients = "keep"` under \\[reference] keeps these frames.',
            highlight=False,
        )


def _print_surveys(console: Console, session: Session, names: list[str]) -> None:
    from astrid_assets.cli.night_table import (
        COLUMNS,
        night_counts,
        plain_table,
        total,
    )

    table = plain_table("Surveys")
    table.add_column("survey", no_wrap=True)
    table.add_column("last night", no_wrap=True)
    for column in ("nights", *COLUMNS):
        table.add_column(column, justify="right", no_wrap=True)
    for name in names:
        counts = night_counts(session, name)
        last = counts[-1].night if counts else "–"
        sums = [str(total(counts, column)) for column in COLUMNS.values()]
        table.add_row(name, last, str(len(counts)), *sums)
    console.print(table)


def _print_undated(console: Console, session: Session, survey: str) -> None:
    """Print how many files stand in no line of the nights, and why."""
    from astrid_assets.science.quality.refused_files import files_without_a_night
    from astrid_assets.storage.queries import observations

    sentence = files_without_a_night(observations.undated_reasons(session, survey))
    if sentence:
        console.print(
            f"[yellow]Undated[/yellow] {survey}: {sentence}. `astrid survey check {survey}` "
            "shows what is wrong with them.",
            highlight=False,
        )


def _print_learning(console: Console, session: Session) -> None:
    from astrid_assets.steps.learning.expected_mix import expected_mix
    from astrid_assets.storage.queries import datasets, models
    from astrid_assets.storage.review import labels

    champion = models.champion(session)
    if champion is None:
        console.print("Model: none is deployed, so detections are ranked by S/N alone")
    else:
        console.print(
            f"Model: {champion.name} version {champion.version} in force, "
            f"real from a score of {champion.threshold:.3f}"
        )
        for survey, night in models.newest_scored_nights(session, champion.id):
            mix = expected_mix(session, survey, night)
            console.print(f"Newest night {survey} {night}: {mix.sentence}", highlight=False)
    newest = datasets.newest_dataset(session)
    if newest is None:
        return
    _print_lost_tracking(console, session)
    waiting = labels.new_labels(session, newest.last_sequence).total
    console.print(
        f"Dataset: {newest.total_samples} samples, quality {newest.quality_score:.2f}; "
        f"{waiting} labels are newer"
    )


def _print_lost_tracking(console: Console, session: Session) -> None:
    from astrid_assets.cli.lost_tracking import REMEDY, lost_history
    from astrid_assets.cli.workplace import open_tracking
    from astrid_assets.tracking.server import TrackingUnavailable

    try:
        lost = lost_history(session, open_tracking(), ask_server=False)
    except TrackingUnavailable as error:
        lost = str(error)
    if lost:
        console.print(
            f"[yellow]Tracking[/yellow] the tracking history is gone: {lost}; {REMEDY}.",
            highlight=False,
        )


def _print_blocked_nights(console: Console, session: Session) -> None:
    from astrid_assets.science.quality.gate import value_in_words
    from astrid_assets.storage.queries import gates

    failed = gates.latest(session, failed_only=True, limit=MANY)
    held = [row for row in failed if row.holds_back]
    for row in held[:SHOWN_HELD_BACK]:
        where = f"{row.survey} {row.night} {row.asset}".strip()
        value = value_in_words(row.value, row.limit)
        console.print(
            f"[red]Blocked[/red] {where}: {row.gate} is {value}, limit {row.limit}. {row.detail}",
            highlight=False,
        )
    if len(held) > SHOWN_HELD_BACK:
        console.print(f"… and {len(held) - SHOWN_HELD_BACK} more")
    _print_warnings(console, [row for row in failed if not row.holds_back])


def _print_warnings(console: Console, warned: list[GateVerdict]) -> None:
    """One line for each gate of a survey; its newest verdict speaks for all."""
    from astrid_assets.science.quality.gate import value_in_words

    by_gate: dict[tuple[str, str, str], list[GateVerdict]] = {}
    for row in warned:
        by_gate.setdefault((row.survey, row.asset, row.gate), []).append(row)
    for (survey, asset, gate), rows in sorted(by_gate.items()):
        newest = rows[0]
        value = value_in_words(newest.value, newest.limit)
        console.print(
            f"[yellow]Warned[/yellow] {survey} {asset}: {gate} on {len(rows)} nights; "
            f"{newest.night} has {value}, limit {newest.limit}. {newest.detail}",
            highlight=False,
        )
