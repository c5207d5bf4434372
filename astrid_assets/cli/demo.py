"""`astrid demo`: two simulated surveys from raw frames to a deployed model.

Everything is real but the sky: frames are simulated with known truth, and from there
on nothing knows that. The truth labels the detections, and the labels train the
model. What is finished is found again, so a second demo ends in seconds.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster import DagsterInstance, EventLogEntry, JobDefinition
    from rich.console import Console

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.surveys.profile import SurveyProfile

RESCORED_ASSETS = ("detections", "validated_labels")


@click.command("demo")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes per run.")
@click.option(
    "--tiny",
    is_flag=True,
    help="One small survey and no training: under a minute once the code is compiled.",
)
def demo_command(workers: int | None, *, tiny: bool) -> None:
    """Run two simulated surveys through the whole graph and write the report.

    \b
    Example:
      astrid demo
      astrid demo --tiny
      astrid demo --workers 4
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console

    from astrid_assets.cli.backfill import print_summary, run_plans, use_workers
    from astrid_assets.cli.plans import plan
    from astrid_assets.cli.report import print_result, write_report
    from astrid_assets.cli.workplace import (
        dagster_instance,
        load_graph,
        open_catalogue,
        open_store,
        prepare_home,
    )
    from astrid_assets.surveys.sources.simulated import demo_profiles, tiny_profile

    started = time.monotonic()
    home = prepare_home()
    use_workers(workers)
    console = Console()
    catalogue = open_catalogue()
    open_store().check()
    with dagster_instance() as instance:
        profiles = [tiny_profile()] if tiny else demo_profiles()
        plans = plan(catalogue, add_simulated_surveys(catalogue, instance, profiles))
        graph = load_graph()
        nights = graph.resolve_job_def("night_job")
        console.rule("Nights: frames, differences, detections, labels", align="left")
        failures = run_plans(console, instance, nights, plans)
        problems: tuple[str, ...] = ()
        if not tiny:
            console.rule("Learning: dataset, U-Net, deployment", align="left")
            problems = run_learning(console, instance, graph.resolve_job_def("learning_job"))
            console.rule("The same nights, scored by the model in force", align="left")
            failures += run_plans(console, instance, nights, plans, assets=RESCORED_ASSETS)
    print_summary(console, catalogue, plans, failures)
    values, page = write_report(catalogue, home / "report.html")
    print_result(console, values)
    for problem in problems:
        click.echo(f"Learning failed in {problem}", err=True)
    console.print(f"Report: {page}", soft_wrap=True)
    console.print("Look around with `astrid ui`, or ask `astrid status`.")
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    if failures or problems:
        sys.exit(1)


def add_simulated_surveys(
    catalogue: Catalogue, instance: DagsterInstance, profiles: Sequence[SurveyProfile]
) -> list[str]:
    """Add simulated surveys, unless they are there; returns their names.

    A profile that somebody changed since is left as it is.
    """
    from astrid_assets.cli.surveys import (
        DIMENSION,
        profile_toml,
        store_survey,
        stored_surveys,
    )

    known = {row.name for row in stored_surveys(catalogue)}
    names = []
    for profile in profiles:
        names.append(profile.name)
        if profile.name in known:
            instance.add_dynamic_partitions(DIMENSION, [profile.name])
        else:
            store_survey(catalogue, instance, profile.name, profile_toml(profile))
    return names


def run_learning(
    console: Console, instance: DagsterInstance, job: JobDefinition
) -> tuple[str, ...]:
    """Run the learning assets; returns one line for each that failed."""
    from astrid_assets.cli.backfill import stop_if_pointless
    from astrid_assets.cli.range_runs import run_in_process
    from astrid_assets.jobs import LEARNING_ASSETS

    with console.status("collecting labels") as line:

        def show(entry: EventLogEntry) -> None:
            if entry.dagster_event is None and entry.user_message:
                line.update(entry.user_message.splitlines()[0])

        outcome = run_in_process(job, instance, assets=LEARNING_ASSETS, on_event=show)
    stop_if_pointless(outcome)
    if outcome.succeeded:
        return ()
    return outcome.errors or (f"run {outcome.run_id}; `astrid ui` shows where",)
