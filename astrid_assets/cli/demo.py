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
    from pathlib import Path

    from dagster import DagsterInstance, JobDefinition
    from rich.console import Console

    from astrid_assets.report.summary import Report
    from astrid_assets.storage.catalogue import Catalogue

RESCORED_ASSETS = ("detections", "validated_labels")


@click.command()
@click.option("--workers", type=click.IntRange(1, 256), help="Processes per run.")
def demo(workers: int | None) -> None:
    """Run two simulated surveys through the whole graph and write the report.

    \b
    Example:
      astrid demo
      astrid demo --workers 4
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console

    from astrid_assets.cli.backfill import print_summary, run_plans, use_workers
    from astrid_assets.cli.plans import plan
    from astrid_assets.cli.workplace import (
        dagster_instance,
        load_graph,
        open_catalogue,
        prepare_home,
    )

    started = time.monotonic()
    home = prepare_home()
    use_workers(workers)
    console = Console()
    catalogue = open_catalogue()
    with dagster_instance() as instance:
        plans = plan(catalogue, add_simulated_surveys(catalogue, instance))
        graph = load_graph()
        nights = graph.resolve_job_def("night_job")
        console.rule("Nights: frames, differences, detections, labels", align="left")
        failures = run_plans(console, instance, nights, plans)
        console.rule("Learning: dataset, U-Net, deployment", align="left")
        learn(console, instance, graph.resolve_job_def("learning_job"))
        console.rule("The same nights, scored by the model in force", align="left")
        failures += run_plans(console, instance, nights, plans, assets=RESCORED_ASSETS)
    print_summary(console, catalogue, plans, failures)
    report, page = write_report(home, catalogue)
    _print_result(console, report)
    console.print(f"Report: {page}", soft_wrap=True)
    console.print("Look around with `astrid ui`, or ask `astrid status`.")
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    if failures:
        sys.exit(1)


def add_simulated_surveys(catalogue: Catalogue, instance: DagsterInstance) -> list[str]:
    """Add the two simulated surveys, unless they are there; returns their names.

    A profile that somebody changed since is left as it is.
    """
    from astrid_assets.cli.surveys import (
        DIMENSION,
        profile_toml,
        store_survey,
        stored_surveys,
    )
    from astrid_assets.surveys.simulated import demo_profiles

    known = {row.name for row in stored_surveys(catalogue)}
    names = []
    for profile in demo_profiles():
        names.append(profile.name)
        if profile.name in known:
            instance.add_dynamic_partitions(DIMENSION, [profile.name])
        else:
            store_survey(catalogue, instance, profile.name, profile_toml(profile))
    return names


def learn(console: Console, instance: DagsterInstance, job: JobDefinition) -> None:
    """Run the learning assets.

    Raises
    ------
    click.ClickException
        If one of them failed, with what it said.
    """
    from astrid_assets.cli.range_runs import run_in_process
    from astrid_assets.jobs import LEARNING_ASSETS

    with console.status("training; the first time takes some minutes"):
        outcome = run_in_process(job, instance, assets=LEARNING_ASSETS)
    if not outcome.succeeded:
        raise click.ClickException(
            "; ".join(outcome.errors) or f"run {outcome.run_id} failed; see `astrid ui`"
        )


def write_report(home: Path, catalogue: Catalogue) -> tuple[Report, Path]:
    """Write the HTML report; returns its values and its file."""
    from astrid_assets.cli.workplace import open_store
    from astrid_assets.report.page import render_report

    report, html = render_report(catalogue, open_store())
    page = home / "report.html"
    page.write_text(html, encoding="utf-8")
    return report, page


def _print_result(console: Console, report: Report) -> None:
    from astrid_assets.report.page import COMPLETE_ABOVE_SIGMA, overall_completeness

    found = overall_completeness(report)
    if found is not None:
        console.print(
            f"Completeness at and above {COMPLETE_ABOVE_SIGMA:g} sigma: {found:.1%} "
            "of the known changes"
        )
    champion = report.learning.champion
    if champion is None:
        console.print("No model is in force: none passed its gates")
        return
    console.print(f"Model in force: {champion.name} version {champion.version}")
