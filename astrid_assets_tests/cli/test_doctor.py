"""`astrid doctor` finds what is wrong, says what to do, and mends what is safe."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time

import pytest

from astrid_assets.cli import doctor_checks
from astrid_assets.cli.workplace import dagster_instance, prepare_home

OLD = time.time() - 2 * doctor_checks.STALE_S
DIES_IN_A_RUN = """
import os, signal
import dagster as dg
from astrid_assets.cli.workplace import dagster_instance, prepare_home

@dg.asset
def doomed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

prepare_home()
with dagster_instance() as instance:
    dg.materialize([doomed], instance=instance)
"""


def line_of(output: str, name: str) -> str:
    return next(line for line in output.splitlines() if line[5:].startswith(name))


def test_a_fresh_home_is_healthy(cli):
    examined = cli("doctor")
    assert examined.exit_code == 0, examined.output
    assert not [line for line in examined.output.splitlines() if line[:4] == "FAIL"]
    assert line_of(examined.output, "Graph").startswith("OK")


def test_a_crashed_run_is_found_and_failed_when_asked(cli, home):
    subprocess.run([sys.executable, "-c", DIES_IN_A_RUN], check=False, timeout=120)
    found = cli("doctor")
    assert line_of(found.output, "Runs").startswith("WARN")
    assert "astrid doctor --fix" in found.output
    assert found.exit_code == 0

    assert "recorded as failed" in cli("doctor", "--fix").output
    assert line_of(cli("doctor").output, "Runs").startswith("OK   Runs       none")
    prepare_home()
    with dagster_instance() as instance:
        (run,) = instance.get_runs()
    assert run.is_failure


def test_files_of_killed_processes_are_removed_when_asked(cli, home):
    store = home / "store" / "raw"
    store.mkdir(parents=True)
    left = [store / "frame.0123.fits#1", store / ".frame.fits.0f3a.part"]
    kept = [store / "frame.0123.fits", store / "fresh.fits#1"]
    for path in (*left, *kept):
        path.write_bytes(b"bytes")
    for path in (*left, kept[0]):
        os.utime(path, (OLD, OLD))
    assert line_of(cli("doctor").output, "Leftovers").startswith("WARN")
    cli("doctor", "--fix")
    assert [path.exists() for path in left] == [False, False]
    assert [path.exists() for path in kept] == [True, True]


@pytest.mark.parametrize(
    ("variable", "value", "check"),
    [
        ("ASTRID_WORKERS", "many", "Settings"),
        ("ASTRID_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/a", "Catalogue"),
        ("ASTRID_STORE_URL", "s3://", "Store"),
        ("MLFLOW_TRACKING_URI", "http://127.0.0.1:1", "MLflow"),
    ],
)
def test_a_wrong_variable_fails_its_check_and_names_itself(
    cli, monkeypatch, variable, value, check
):
    monkeypatch.setenv(variable, value)
    examined = cli("doctor")
    assert examined.exit_code == 1
    assert line_of(examined.output, check).startswith("FAIL")
    assert "Traceback" not in examined.output
    assert "secret" not in examined.output


def test_a_survey_the_graph_does_not_know_is_found(cli, frames):
    cli("survey", "add", "mine", "--folder", str(frames))
    with dagster_instance() as instance:
        instance.delete_dynamic_partition("survey", "mine")
    examined = cli("doctor")
    assert examined.exit_code == 1
    assert line_of(examined.output, "Surveys").startswith("FAIL")
    assert "astrid survey add mine.toml" in examined.output


def test_an_mlflow_database_that_is_none_is_found(cli, home):
    folder = home / "mlflow"
    folder.mkdir(parents=True)
    (folder / "mlflow.db").write_bytes(b"this is no database, whatever it is called")
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(folder / "mlflow.db").execute("SELECT * FROM experiments")
    examined = cli("doctor")
    assert examined.exit_code == 1
    assert line_of(examined.output, "MLflow").startswith("FAIL")
