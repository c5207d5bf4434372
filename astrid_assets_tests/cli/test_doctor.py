"""`astrid doctor` finds what is wrong, says what to do, and mends what is safe."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from astrid_assets.cli import doctor_checks
from astrid_assets.cli.doctor import findings
from astrid_assets.cli.workplace import dagster_instance

OLD = time.time() - 2 * doctor_checks.STALE_S
DIES_IN_A_RUN = """
import os, signal
import dagster as dg
from astrid_assets.cli.doctor import findings
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


@pytest.mark.slow
def test_a_fresh_home_is_healthy(cli):
    examined = cli("doctor")
    assert examined.exit_code == 0, examined.output
    assert not [line for line in examined.output.splitlines() if line[:4] == "FAIL"]
    assert line_of(examined.output, "Graph").startswith("OK")


@pytest.mark.slow
def test_one_failed_check_does_not_keep_the_others_from_running(cli, monkeypatch):
    monkeypatch.setenv("ASTRID_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/a")
    examined = cli("doctor")
    assert examined.exit_code == 1
    assert line_of(examined.output, "Catalogue").startswith("FAIL")
    assert line_of(examined.output, "Leftovers").startswith("OK")
    assert "Traceback" not in examined.output
    assert "secret" not in examined.output


@pytest.mark.slow
def test_a_crashed_run_is_found_and_failed_when_asked(home):
    subprocess.run([sys.executable, "-c", DIES_IN_A_RUN], check=False, timeout=120)
    (found,) = doctor_checks.check_runs(fix=False)
    assert found.level == "WARN"
    assert "astrid doctor --fix" in found.remedy

    (mended,) = doctor_checks.check_runs(fix=True)
    assert "recorded as failed" in mended.what
    (after,) = doctor_checks.check_runs(fix=False)
    assert (after.level, after.what) == ("OK", "none left behind by a crash")
    with dagster_instance() as instance:
        (run,) = instance.get_runs()
    assert run.is_failure


def test_files_of_killed_processes_are_removed_when_asked_and_no_others(home):
    store, work = home / "store" / "raw", home / "work" / "run"
    store.mkdir(parents=True)
    work.mkdir(parents=True)
    digits = "0123456789abcdef" * 2
    left = [store / f"frame.{digits}.fits#1", work / f".images.npy.{digits}.part"]
    kept = [
        store / f"frame.{digits}.fits",
        store / f"fresh.{digits}.fits#1",
        store / "My notes #4",
        home / f"frame.{digits}.fits#1",
        home / "frames" / "M31 #12",
        home / "frames" / ".raw.part",
    ]
    (home / "frames").mkdir()
    (store / f"link.{digits}#1").symlink_to("nowhere")
    for path in (*left, *kept):
        path.write_bytes(b"bytes")
        if path != kept[1]:
            os.utime(path, (OLD, OLD))
    (found,) = doctor_checks.check_leftovers(fix=False)
    assert found.level == "WARN"
    assert all(path.name in found.what for path in left)
    (mended,) = doctor_checks.check_leftovers(fix=True)
    assert mended.level == "OK"
    assert [path.exists() for path in left] == [False, False]
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize(
    ("variable", "value", "check"),
    [
        ("ASTRID_WORKERS", "many", doctor_checks.check_settings),
        ("ASTRID_DAGSTER_DATABASE_URL", "mysql://here", doctor_checks.check_settings),
        ("ASTRID_STORE_URL", "s3://", doctor_checks.check_store),
        ("MLFLOW_TRACKING_URI", "http://127.0.0.1:1", doctor_checks.check_mlflow),
    ],
)
def test_a_wrong_variable_fails_its_check_and_is_named(home, monkeypatch, variable, value, check):
    monkeypatch.setenv(variable, value)
    (found,) = findings(check)
    assert found.level == "FAIL"
    assert variable in found.what


def test_all_wrong_variables_are_found_at_once(home, monkeypatch):
    monkeypatch.setenv("ASTRID_WORKERS", "many")
    monkeypatch.setenv("ASTRID_WEB_PORT", "http")
    workers, port = findings(doctor_checks.check_settings)
    assert workers.what == "ASTRID_WORKERS must be a whole number above 0, it is 'many'"
    assert port.what.startswith("ASTRID_WEB_PORT must be ")


def test_the_variables_that_are_set_are_listed_without_their_values(home, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-word")
    (found,) = findings(doctor_checks.check_settings)
    listed = "ASTRID_HOME, DAGSTER_HOME, AWS_SECRET_ACCESS_KEY, ASTRID_WORKERS"
    assert (found.level, found.what) == ("OK", listed)


@pytest.mark.slow
def test_a_survey_the_graph_does_not_know_is_found(cli, frames):
    cli("survey", "add", "mine", "--folder", str(frames))
    with dagster_instance() as instance:
        instance.delete_dynamic_partition("survey", "mine")
    (found,) = findings(doctor_checks.check_surveys)
    assert found.level == "FAIL"
    assert "astrid doctor --fix" in found.remedy
    (mended,) = doctor_checks.check_surveys(fix=True)
    assert mended.what.endswith("added to the graph")
    (after,) = findings(doctor_checks.check_surveys)
    assert (after.level, after.what) == ("OK", "mine")


@pytest.mark.slow
def test_a_survey_whose_source_is_away_is_told(cli, frames):
    cli("survey", "add", "mine", "--folder", str(frames))
    frames.rename(frames.with_name("away"))
    (found,) = findings(doctor_checks.check_surveys)
    assert found.level == "WARN"
    assert "does not exist" in found.what


@pytest.mark.slow
def test_an_mlflow_database_that_is_none_is_found(home):
    folder = home / "mlflow"
    folder.mkdir(parents=True)
    (folder / "mlflow.db").write_bytes(b"this is no database, whatever it is called")
    (found,) = findings(doctor_checks.check_mlflow)
    assert found.level == "FAIL"
    assert "cannot be used" in found.what


def test_an_open_home_is_reported_and_closed_when_asked(home):
    home.mkdir()
    home.chmod(0o755)
    database = home / "catalogue.db"
    database.touch()
    database.chmod(0o644)
    what = [finding.level for finding in doctor_checks.check_home(fix=False)]
    assert "WARN" in what
    assert database.stat().st_mode & 0o777 == 0o644
    closed = [finding for finding in doctor_checks.check_home(fix=True) if "755" in finding.what]
    assert [finding.level for finding in closed] == ["OK"]
    assert home.stat().st_mode & 0o777 == 0o700
    assert database.stat().st_mode & 0o777 == 0o600
    assert not [f for f in doctor_checks.check_home(fix=False) if "mode" in f.what]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["doctor", "status"])
@pytest.mark.parametrize("inherited", [{}, {"NUMBA_CACHE_DIR": "/tmp/machine-code"}])  # noqa: S108
def test_whatever_runs_first_the_home_is_private(home, first, inherited):
    code = "import os; os.umask(0o022)\nfrom astrid_assets.cli.main import main; main()"
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | inherited
    command = [sys.executable, "-c", code, first]
    subprocess.run(command, env=environment, check=False, capture_output=True, timeout=120)
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "catalogue.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_machine_code_alone_makes_a_private_home(home):
    code = """
import os; os.umask(0o022)
from astrid_assets.resources.environment import keep_compiled_code
keep_compiled_code()
import numba
numba.njit(cache=True)(lambda x: x + 1)(1)
"""
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=120)
    assert home.stat().st_mode & 0o777 == 0o700
