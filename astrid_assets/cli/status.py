"""`astrid status`: what there is, what is in force, and what needs somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy.orm import Session

    from astrid_assets.storage.tables import Survey

SHOWN_HELD_BACK = 10


@dataclass(frozen=True)
class SurveyState:
    """How far one survey is."""

    name: str
    nights: int
    first_night: str
    last_night: str
    finished: int
    """Nights whose labels were made from what went in last."""
    frames: int
    detections: int
    labels: int


@click.command()
@click.option("--survey", help="Show every night of this survey.")
def status(survey: str | None) -> None:
    """Show how far each survey is, the model in force and what is held back.

    \b
    Example:
      astrid status
      astrid status --survey mysurvey
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console

    from astrid_assets.cli.surveys import stored_survey, stored_surveys
    from astrid_assets.cli.workplace import open_catalogue, prepare_home

    prepare_home()
    console = Console()
    catalogue = open_catalogue()
    if survey is not None:
        stored_survey(catalogue, survey)
        with catalogue.read() as session:
            _print_nights(console, session, survey)
        return
    rows = stored_surveys(catalogue)
    if not rows:
        console.print("No survey yet. Try `astrid demo`, or add frames of your own:")
        console.print("  astrid survey add NAME --folder PATH")
        return
    with catalogue.read() as session:
        _print_surveys(console, [survey_state(session, row) for row in rows])
        _print_learning(console, session)
        _print_held_back(console, session)


def survey_state(session: Session, survey: Survey) -> SurveyState:
    """Count what the catalogue knows of a survey."""
    from astrid_assets.cli.night_table import night_counts
    from astrid_assets.cli.plans import NIGHTLY_ASSETS
    from astrid_assets.storage import gates, observations

    nights = observations.nights(session, survey.name)
    counts = night_counts(session, survey.name, nights)
    finished = gates.summaries(session, survey=survey.name, asset=NIGHTLY_ASSETS[-1])
    return SurveyState(
        survey.name,
        nights=len(nights),
        first_night=min(nights, default=""),
        last_night=max(nights, default=""),
        finished=len({row.night for row in finished} & set(nights)),
        frames=sum(row.frames for row in counts),
        detections=sum(row.detections for row in counts),
        labels=sum(row.labels for row in counts),
    )


def _print_surveys(console: Console, states: list[SurveyState]) -> None:
    from rich.table import Table

    table = Table(title="Surveys", title_justify="left")
    table.add_column("survey", no_wrap=True)
    table.add_column("first to last night", no_wrap=True)
    for column in ("nights", "finished", "frames", "detections", "labels"):
        table.add_column(column, justify="right")
    for state in states:
        span = f"{state.first_night} – {state.last_night}" if state.nights else "–"
        numbers = (state.nights, state.finished, state.frames)
        table.add_row(
            state.name,
            span,
            *map(str, (*numbers, state.detections, state.labels)),
        )
    console.print(table)


def _print_learning(console: Console, session: Session) -> None:
    from astrid_assets.storage import datasets, labels, models

    champion = models.champion(session)
    if champion is None:
        console.print("Model: none is deployed, so detections are ranked by S/N alone")
    else:
        console.print(
            f"Model: {champion.name} version {champion.version} in force, "
            f"real from a score of {champion.threshold:.3f}"
        )
    newest = datasets.newest(session)
    if newest is None:
        return
    waiting = labels.new_label_count(session, newest.last_sequence)
    console.print(
        f"Dataset: {newest.total_samples} samples, quality {newest.quality_score:.2f}; "
        f"{waiting} labels are newer"
    )


def _print_held_back(console: Console, session: Session) -> None:
    from astrid_assets.storage import gates

    failed = gates.latest(session, failed_only=True, limit=1000)
    held = [row for row in failed if row.holds_back]
    for row in held[:SHOWN_HELD_BACK]:
        where = f"{row.survey} {row.night} {row.asset}".strip()
        value = "no value" if row.value is None else f"{row.value:.4g}"
        console.print(
            f"[red]Held back[/red] {where}: {row.gate} is {value}, "
            f"limit {row.limit}. {row.detail}",
            highlight=False,
        )
    if len(held) > SHOWN_HELD_BACK:
        console.print(f"… and {len(held) - SHOWN_HELD_BACK} more")
    warned = len(failed) - len(held)
    if warned:
        console.print(f"{warned} gates warned without holding anything back")


def _print_nights(console: Console, session: Session, survey: str) -> None:
    from astrid_assets.cli.night_table import night_counts, render
    from astrid_assets.storage import observations

    nights = observations.nights(session, survey)
    console.print(render(night_counts(session, survey, nights), survey))
