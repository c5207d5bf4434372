"""A disk that is really full, under Dagster's history or the store, during `astrid backfill`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root

pytestmark = pytest.mark.slow

OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount")
SCRIPT = Path(__file__).with_name("full_disk.py")
FULL_HOMES = ("home 4", "home 260", "home 720")
"""How many kB were left: too few to open the history, to begin a run, to write its events."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What was said and left on each full disk."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare` here, which mounts a small disk without root")
    probe = [*OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets no user mount a small disk in a namespace of its own")
    folder = tmp_path_factory.mktemp("disks")
    inherited = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    own = {
        "DAGSTER_HOME": str(project_root()),
        "ASTRID_WORKERS": "1",
        "PYTHONPATH": str(project_root()),
    }
    done = subprocess.run(
        [*OWN_MOUNTS, sys.executable, str(SCRIPT), str(folder)],
        env=inherited | own,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("disk", FULL_HOMES)
def test_a_full_home_is_a_sentence_about_the_disk(found, disk):
    code, output = found[disk]["said"]
    assert code == 1
    assert "Dagster's history in " in output
    assert "the disk is full" in output
    assert "free space there" in output
    assert "nothing of it is lost" in output
    assert "Traceback" not in output
    assert "sqlite3." not in output


def test_a_full_store_is_a_sentence_about_the_disk_and_names_the_frame(found):
    code, output = found["store 100"]["said"]
    assert code == 1
    assert "raw_observations: sim-small 2025-03-01, 2025-03-01/" in output
    assert "the disk is full: free space there or move the store to another disk" in output
    assert "obstore" not in output
    assert found["store 100"]["rows_left"] == 0


def test_with_room_again_the_same_command_ends_as_if_nothing_had_happened(found):
    for disk in found.values():
        assert disk["again"][0] == 0, disk["again"]
    first, *others = [(disk["rows"], disk["objects"]) for disk in found.values()]
    assert first[1]
    assert all(each == first for each in others)
