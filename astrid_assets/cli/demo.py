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
    from pathlib import Path

    from dagster import DagsterInstance
    from rich.console import Console

    from astrid_assets.cli.plans import Plan
    from astrid_assets.storage.catalogue import Catalogue

LEARNING_ASSETS = ("training_dataset", "trained_unet", "deployed_model")
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
        open_catalogue,
        prepare_home,
    )

    started = time.monotonic()
    home = prepare_home()
    use_workers(workers)
    console = Console()
    catalogue = open_catalogue()
    with dagster_instance() as instance:
        names = add_simulated_surveys(catalogue, instance)
        plans = plan(catalogue, names)
        _headline(console, "1/4  Nights: frames, differences, detections, labels")
        failures = run_plans(console, instance, plans)
        _headline(console, "2/4  Learning: dataset, U-Net, deployment")
        _learn(console, instance)
        _headline(console, "3/4  The same nights, scored by the deployed model")
        failures += run_plans(console, instance, plans, assets=RESCORED_ASSETS)
    _headline(console, "4/4  Report")
    print_summary(console, catalogue, plans, failures)
    _print_model(console, catalogue)
    page = _write_report(home, catalogue, plans)
    console.print(f"Report   {page}", soft_wrap=True)
    console.print("Look around with `astrid ui`; a table with `astrid status`.")
    console.print(f"{time.monotonic() - started:.0f} s")
    if failures:
        sys.exit(1)
