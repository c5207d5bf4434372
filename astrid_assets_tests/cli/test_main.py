"""What every command shares: help with an example, and errors without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from astrid_assets.cli.main import COMMANDS, astrid
from astrid_assets.storage.database.catalogue_errors import CatalogueUnavailable

PATHS = [
    *((name,) for name in COMMANDS),
    *(("survey", name) for name in ("add", "list", "show", "check", "anchor", "gain")),
]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_the_help_of_every_command_has_an_example(cli, path):
    shown = cli(*path, "--help")
    assert shown.exit_code == 0
    assert f"astrid {' '.join(path)}" in shown.output.split("Example:")[1]


def test_every_command_of_a_group_is_among_those_tested():
    group = astrid.get_command(click.Context(astrid), "survey")
    assert isinstance(group, click.Group)
    assert {("survey", name) for name in group.commands} <= set(PATHS)


def test_commands_are_listed_in_the_order_of_their_use(cli):
    shown = cli("--help").output
    positions = [shown.index(f"\n  {name} ") for name in COMMANDS]
    assert positions == sorted(positions)


def test_a_known_failure_is_one_line_with_its_remedy(cli, monkeypatch):
    # A port nobody listens on: a database that is stopped.
    monkeypatch.setenv("ASTRID_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/a")
    shown = cli("status")
    assert shown.exit_code == 1
    assert shown.output.startswith("Error: ")
    assert "Traceback" not in shown.output
    assert "secret" not in shown.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("ASTRID_HOME", "~no-such-user/x", "status"),
        ("ASTRID_DAGSTER_DATABASE_URL", "mysql://me:hidden@host/db", "backfill"),
        ("ASTRID_WEB_PORT", "http", "review"),
    ],
)
def test_a_wrong_variable_is_one_line_with_a_valid_value(
    cli, monkeypatch, variable, value, command
):
    monkeypatch.setenv(variable, value)
    shown = cli(command)
    assert shown.exit_code == 1
    assert shown.output.startswith(f"Error: {variable} must be ")
    assert shown.output.count("\n") == 1
    assert "hidden" not in shown.output


@pytest.mark.slow
def test_a_first_night_that_is_no_date_is_one_sentence():
    shown = subprocess.run(
        [sys.executable, "-c", "import astrid_assets.partitions"],
        env={**os.environ, "ASTRID_FIRST_NIGHT": "soon"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = shown.stderr.splitlines()[-1]
    assert last.endswith("ASTRID_FIRST_NIGHT must be a date, YYYY-MM-DD, it is 'soon'")


def test_debugging_keeps_the_traceback(cli, monkeypatch):
    monkeypatch.setenv("ASTRID_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/a")
    monkeypatch.setenv("ASTRID_DEBUG", "1")
    assert isinstance(cli("status").exception, CatalogueUnavailable)


def test_a_home_that_cannot_be_made_is_told(cli, home):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    shown = cli("status")
    assert shown.exit_code == 1
    assert "ASTRID_HOME" in shown.output


def test_a_missing_dagster_yaml_is_told(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shown = cli("status")
    assert shown.exit_code == 1
    assert "dagster.yaml" in shown.output


def test_asking_for_help_imports_nothing_heavy():
    code = (
        "import sys; from astrid_assets.cli.main import astrid\n"
        "astrid(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'lightning', 'ray', 'mlflow', 'dagster', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
