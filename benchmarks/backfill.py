"""What orchestration costs: nights in one process against a run per night.

Every night is finished beforehand, so the steps only find that nothing has changed;
what a run then takes beyond calling the steps directly is Dagster's share. The
daemon's share includes its start and its loop's pauses, which few nights share.

    .venv/bin/python -m benchmarks.backfill
    .venv/bin/python -m benchmarks.backfill --nights 20 --daemon-nights 4 --keep
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from astrid_assets.cli import workplace
from astrid_assets.cli.backfill import run_plans
from astrid_assets.cli.children import Child, Program, stop
from astrid_assets.cli.plans import BackfillPlan
from astrid_assets.cli.surveys import profile_toml, store_survey
from astrid_assets.compute import Compute
from astrid_assets.partitions import Night
from astrid_assets.resources.home import project_root
from astrid_assets.steps.calibration_masters import masters
from astrid_assets.steps.detections import detect
from astrid_assets.steps.difference_images import subtract
from astrid_assets.steps.injected_transients import inject as injected_transients
from astrid_assets.steps.light_curves import measure as light_curves
from astrid_assets.steps.nights import Tools
from astrid_assets.steps.processed_frames import process
from astrid_assets.steps.raw_observations import ingest as register
from astrid_assets.steps.reference_frames import stack as reference
from astrid_assets.steps.validated_labels import label
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.sources.simulated import demo_profiles
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from astrid_assets.storage.database.catalogue import Catalogue

FIRST_NIGHT = "2025-03-01"
SIDE_PX = 256  # the smallest frame with stars enough to be accepted
DAEMON_LIMIT_S = 1800.0


def main() -> None:
    """Measure both ways."""
    parser = parser_of("backfill", __doc__)
    parser.add_argument("--nights", type=int, default=100)
    parser.add_argument("--daemon-nights", type=int, default=10)
    figures = Figures(parser)
    with tempfile.TemporaryDirectory(prefix="astrid-benchmark-") as folder:
        os.environ["ASTRID_HOME"] = folder
        home = workplace.prepare_home()
        catalogue = workplace.open_catalogue()
        with workplace.dagster_instance() as instance:
            measure(home, catalogue, instance, figures)
    figures.finish()


def measure(
    home: Path,
    catalogue: Catalogue,
    instance: DagsterInstance,
    figures: Figures,
) -> None:
    """Finish all nights, then time what finding that out costs each way."""
    n_nights, n_daemon_nights = figures.options.nights, figures.options.daemon_nights
    profile = tiny_survey(n_nights)
    store_survey(catalogue, instance, profile.name, profile_toml(profile))
    nights = nights_from(FIRST_NIGHT, n_nights)
    plan = BackfillPlan(profile.name, tuple(nights))

    began = time.perf_counter()
    in_process(instance, plan)
    computed = (time.perf_counter() - began) / n_nights

    began = time.perf_counter()
    call_steps(catalogue, profile, nights)
    steps = (time.perf_counter() - began) / n_nights

    began = time.perf_counter()
    in_process(instance, plan)
    ours = (time.perf_counter() - began) / n_nights

    few = nights[:n_daemon_nights]
    theirs = through_daemon(home, instance, profile.name, few) / len(few)
    for row, number, seconds in (
        ("computed, in process", n_nights, computed),
        ("steps alone, nothing to do", n_nights, steps),
        ("in process, nothing to do", n_nights, ours),
        ("orchestration in process", n_nights, ours - steps),
        ("a run per night through the daemon, nothing to do", len(few), theirs),
        ("orchestration through the daemon", len(few), theirs - steps),
    ):
        figures.add("one frame per night", row, "nights", number)
        figures.add("one frame per night", row, "wall time per night", seconds, "s")


def tiny_survey(n_nights: int) -> SurveyProfile:
    """Return a simulated survey of one small frame per night."""
    profile = demo_profiles()[0]
    small = {
        "nights": n_nights,
        "frames_per_night": 1,
        "first_night": FIRST_NIGHT,
        "shape": (SIDE_PX, SIDE_PX),
    }
    return SurveyProfile.model_validate(
        {
            **profile.model_dump(),
            "name": "tiny",
            "source": {**profile.source.model_dump(), **small},
        }
    )


def nights_from(first: str, number: int) -> list[str]:
    """Return consecutive nights."""
    start = date.fromisoformat(first)
    return [(start + timedelta(days=day)).isoformat() for day in range(number)]


def in_process(instance: DagsterInstance, plan: BackfillPlan) -> None:
    """Run nights as `astrid backfill` does."""
    job = workplace.load_graph().resolve_job_def("night_job")
    failures = run_plans(Console(file=io.StringIO()), instance, job, [plan])
    assert not failures, failures


def call_steps(catalogue: Catalogue, profile: SurveyProfile, nights: list[str]) -> None:
    """Run the same steps without Dagster."""
    tools = Tools(catalogue, workplace.open_store(), Compute())
    for step in (
        register.register_from_source,
        masters.masters_nights,
        process.process_nights,
        reference.reference_nights,
        subtract.subtract_nights,
        detect.detect_nights,
        injected_transients.inject_nights,
        light_curves.measure_nights,
        label.label_nights,
    ):
        reports = list(step(tools, profile, nights))
        assert all(report.unchanged for report in reports), step.__name__


def through_daemon(home: Path, instance: DagsterInstance, survey: str, nights: list[str]) -> float:
    """Run each night as a run of its own; returns the seconds until the last ended."""
    binaries = Path(sys.executable).parent
    root = project_root()
    workspace = ["-w", str(root / "workspace.yaml")]
    daemon = Program(
        "daemon",
        [str(binaries / "dagster-daemon"), "run", *workspace],
        home / "logs" / "daemon.log",
    )
    before = instance.get_runs_count()
    child = Child(daemon, root)
    try:
        began = time.perf_counter()
        keys = ",".join(str(Night(survey, night).key) for night in nights)
        command = [str(binaries / "dagster"), "job", "backfill", "--noprompt"]
        subprocess.run(  # noqa: S603  our own command line
            [*command, *workspace, "-j", "night_job", "--partitions", keys],
            check=True,
            capture_output=True,
            cwd=root,
        )
        while not ended(instance, before + len(nights)):
            assert child.is_running, child.last_lines()
            assert time.perf_counter() - began < DAEMON_LIMIT_S, child.last_lines()
            time.sleep(0.5)
        return time.perf_counter() - began
    finally:
        stop([child])


def ended(instance: DagsterInstance, number: int) -> bool:
    """Return whether so many runs are there and all have ended well."""
    runs = instance.get_runs()
    assert not any(run.is_failure for run in runs)
    return len(runs) >= number and all(run.is_finished for run in runs)


if __name__ == "__main__":
    assert len(NIGHTLY_ASSETS) == 9, "call_steps must name every nightly step"
    main()
