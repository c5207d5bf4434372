"""kill -9 in every nightly step, the same command after each: as if never killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets_tests.small_survey import (
    NAME,
    objects_of,
    profile_toml,
    rows_of,
)

ASTRID = Path(sys.executable).with_name("astrid")
STEPS = (
    "raw_observations",
    "calibration_masters",
    "processed_frames",
    "reference_frames",
    "difference_images",
    "detections",
    "validated_labels",
)
NIGHTS = ["2025-03-01", "2025-03-02", "2025-03-03"]
TOML = profile_toml(nights=len(NIGHTS), side=256)
BACKFILL = [
    *("backfill", "--survey", NAME),
    *("--from", NIGHTS[0], "--to", NIGHTS[-1], "--workers", "2"),
]
PATIENCE_S = 240


def environment(home: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"}
    return inherited | {"ASTRID_HOME": str(home)}


def astrid(home: Path, *arguments: str) -> None:
    subprocess.run(
        [ASTRID, *arguments],
        env=environment(home),
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )


def new_home(folder: Path) -> Path:
    folder.mkdir()
    toml = folder / "survey.toml"
    toml.write_text(TOML)
    astrid(folder, "survey", "add", str(toml))
    return folder


def finished(home: Path, step: str) -> int:
    """Count the nights a step has finished, from outside."""
    with Catalogue(f"sqlite:///{home / 'catalogue.db'}").read() as session:
        return (
            session.scalar(
                select(func.count()).select_from(NightSummary).where(NightSummary.asset == step)
            )
            or 0
        )


def left_behind(home: Path):
    catalogue = Catalogue(f"sqlite:///{home / 'catalogue.db'}")
    return rows_of(catalogue), objects_of(open_object_store(str(home / "store")))


def run_until(home: Path, step: str) -> None:
    """Begin the backfill and kill it in the middle of a step: one night of it is done."""
    assert finished(home, step) == 0
    process = subprocess.Popen(
        [ASTRID, *BACKFILL],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while finished(home, step) < 1:
        assert process.poll() is None, f"the backfill ended before {step}"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert finished(home, step) < len(NIGHTS), f"the kill came after {step}"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(("processed_frames", "detections"), id="two"),
        pytest.param(STEPS, id="each", marks=pytest.mark.soak),
    ],
)
def test_a_backfill_killed_in_a_step_goes_on_as_if_nothing_happened(
    steps: tuple[str, ...], tmp_path: Path
) -> None:
    undisturbed, killed = new_home(tmp_path / "undisturbed"), tmp_path / "killed"
    shutil.copytree(undisturbed, killed)
    astrid(undisturbed, *BACKFILL)
    expected_rows, expected_objects = left_behind(undisturbed)
    for step in steps:
        run_until(killed, step)
    astrid(killed, *BACKFILL)
    rows, objects = left_behind(killed)
    assert objects == expected_objects
    assert rows == expected_rows
