"""`astrid backfill`: run the nights of surveys through the graph, here and now.

Survey by survey and in the order of time, because a night's reference is made of
the nights before it. What is unchanged is not computed again.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import click

from astrid_assets.cli.plans import BackfillPlan, plan
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster import DagsterInstance, JobDefinition
    from rich.console import Console

    from astrid_assets.cli.range_runs import RunOutcome
    from astrid_assets.jobs import Block
    from astrid_assets.storage.database.catalogue import Catalogue

INTERRUPTED_EXIT = 130  # 128 + SIGINT, what shells expect


@dataclass(frozen=True)
class Failure:
    """A night that could not be finished, and what stood in its way."""

    survey: str
    night: str
    errors: tuple[str, ...]


def _night(_: click.Context, parameter: click.Parameter, value: str | None) -> str:
    if value is None:
        return ""
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is not a night; write YYYY-MM-DD", param=parameter
        ) from error


PROCESSING = NIGHTLY_ASSETS[:3]
"""What must be done for all nights before references of later nights are chosen."""


@click.command("backfill")
@click.option("--survey", "surveys", multiple=True, help="Again for more. Default: all")
@click.option("--from", "start", callback=_night, help="First night, YYYY-MM-DD.")
@click.option("--to", "end", callback=_night, help="Last night, YYYY-MM-DD.")
@click.option(
    "--upto",
    type=click.Choice(NIGHTLY_ASSETS),
    default=NIGHTLY_ASSETS[-1],
    show_default=True,
    help="Last asset to make; those it needs come along.",
)
@click.option("--force", is_flag=True, help="Compute what is unchanged, too.")
@click.option(
    "--plan", "only_plan", is_flag=True, help="Print what would be run and what it costs."
)
@click.option("--workers", type=click.IntRange(1, 256), help="Processes per run.")
def backfill_command(
    surveys: tuple[str, ...],
    start: str,
    end: str,
    upto: str,
    force: bool,
    only_plan: bool,
    workers: int | None,
) -> None:
    """Run nights through the graph, from raw frames to labels.

    Without --from and --to: every night the survey's source has frames of.
    Exit code 1 when a night could not be finished.

    \b
    Example:
      astrid backfill
      astrid backfill --survey mysurvey --from 2025-03-01 --to 2025-03-31
      astrid backfill --survey mysurvey --upto difference_images --force
      astrid backfill --plan
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console

    from astrid_assets.cli.workplace import (
        dagster_instance,
        load_graph,
        open_catalogue,
        open_store,
        prepare_home,
    )

    if start and end and end < start:
        raise click.UsageError(f"--to {end} lies before --from {start}")
    prepare_home()
    use_workers(workers)
    console = Console()
    catalogue = open_catalogue()
    # Every night would fail in the same way: say so before the first.
    open_store().check()
    with dagster_instance() as instance:
        plans = plan(catalogue, surveys, start, end)
        print_plans(console, catalogue, plans, only_plan=only_plan)
        if only_plan:
            return
        assets = NIGHTLY_ASSETS[: NIGHTLY_ASSETS.index(upto) + 1]
        job = load_graph().resolve_job_def("night_job")
        failures = []
        first = [item for item in plans if item.needs_later_nights]
        if first and len(assets) > len(PROCESSING):
            failures = run_plans(console, instance, job, first, assets=PROCESSING, force=force)
        failures += run_plans(console, instance, job, plans, assets=assets, force=force)
        print_summary(console, catalogue, plans, failures)
    if failures:
        sys.exit(1)


def print_plans(
    console: Console, catalogue: Catalogue, plans: Sequence[BackfillPlan], *, only_plan: bool
) -> None:
    """Print what labels will change; for a plan alone, also which nights are not up to date."""
    from astrid_assets.cli.status import outdated_of, print_label_cost, print_outdated
    from astrid_assets.cli.surveys import stored_survey
    from astrid_assets.storage.queries import gates

    for each in plans:
        row = stored_survey(catalogue, each.survey)
        if only_plan:
            with catalogue.read() as session:
                done = {
                    summary.night
                    for summary in gates.summaries(
                        session, survey=each.survey, asset=NIGHTLY_ASSETS[-1]
                    )
                }
            new = [night for night in each.nights if night not in done]
            console.print(
                f"{each.survey}: {len(each.nights)} nights, {each.nights[0]} to "
                f"{each.nights[-1]}; {len(new)} of them not finished yet",
                highlight=False,
            )
            print_outdated(console, each.survey, outdated_of(catalogue, row))
        print_label_cost(console, catalogue, row)


def use_workers(workers: int | None) -> None:
    """Let this process and what it starts use so many processes per run."""
    if workers is not None:
        os.environ["ASTRID_WORKERS"] = str(workers)


def run_plans(
    console: Console,
    instance: DagsterInstance,
    job: JobDefinition,
    plans: Sequence[BackfillPlan],
    *,
    assets: Sequence[str] = NIGHTLY_ASSETS,
    force: bool = False,
) -> list[Failure]:
    """Run all plans behind a progress bar; returns the nights that failed.

    Raises
    ------
    click.ClickException
        If a service is out of reach, which would fail every other night as well.
    """
    from astrid_assets.cli.progress import NightTicks, progress_bar
    from astrid_assets.cli.range_runs import run_block
    from astrid_assets.cli.workplace import fail_orphans
    from astrid_assets.jobs import Block, blocks_of
    from astrid_assets.partitions import Night

    fail_orphans(instance)
    failures: list[Failure] = []
    with progress_bar(console) as bar:
        total = sum(len(each.nights) for each in plans) * len(assets)
        task = bar.add_task("starting", total=total)
        for block in blocks_of(Night(p.survey, n) for p in plans for n in p.nights):
            nights = _nights_in(block, plans)
            ticks = NightTicks(bar, task, block.survey, len(nights), assets)
            outcome = run_block(job, instance, block, assets=assets, force=force, on_event=ticks)
            stop_if_pointless(outcome)
            ticks.finish()
            if outcome.succeeded:
                continue
            # One bad night must not cost the others. What the block finished is
            # unchanged now, so running its nights alone computes nothing twice, unless
            # it was forced: then each is forced alone, for some may not have been done.
            if len(nights) == 1:
                failures.append(Failure(block.survey, nights[0], outcome.errors))
                continue
            for night in nights:
                alone = Block(block.survey, night, night)
                outcome = run_block(job, instance, alone, assets=assets, force=force)
                stop_if_pointless(outcome)
                if not outcome.succeeded:
                    failures.append(Failure(block.survey, night, outcome.errors))
        bar.update(task, description="done")
    return failures


def _nights_in(block: Block, plans: Sequence[BackfillPlan]) -> list[str]:
    return [
        night
        for each in plans
        if each.survey == block.survey
        for night in each.nights
        if block.start <= night <= block.end
    ]


def stop_if_pointless(outcome: RunOutcome) -> None:
    """End the command where going on cannot help.

    Raises
    ------
    click.ClickException
        If a whole service is out of reach; a single missing object is not that.
    """
    from astrid_assets.failures import names_of, services

    if outcome.was_interrupted:
        click.echo("Stopped. The same command goes on where this one ended.", err=True)
        sys.exit(INTERRUPTED_EXIT)
    if outcome.error_classes & names_of(services()):
        raise click.ClickException("; ".join(outcome.errors))


def print_summary(
    console: Console,
    catalogue: Catalogue,
    plans: Sequence[BackfillPlan],
    failures: Sequence[Failure],
) -> None:
    """Print one line per night, then what failed and why."""
    from astrid_assets.cli.night_table import night_counts, night_table

    with catalogue.read() as session:
        counts = [row for each in plans for row in night_counts(session, each.survey, each.nights)]
    console.print(night_table(counts, "Nights"))
    for failure in failures:
        click.echo(f"{failure.survey} {failure.night} failed:", err=True)
        for error in failure.errors:
            click.echo(f"  {error}", err=True)
