"""kill -9 during any nightly step, then the same command again: as if never killed."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    home = new_home(tmp_path_factory.mktemp("undisturbed"))
    astrid(home, *BACKFILL)
    return left_behind(home)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_backfill_goes_on_as_if_nothing_happened(
    step: str, tmp_path: Path, undisturbed
) -> None:
    home = new_home(tmp_path)
    process = subprocess.Popen(
        [ASTRID, *BACKFILL],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    # In the middle of the step: one night is done, the next ones are under way.
    while finished(home, step) < 1 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    astrid(home, *BACKFILL)
    rows, objects = left_behind(home)
    assert objects == undisturbed[1]
    assert rows == undisturbed[0]
