"""Addresses and numbers: defaults, and what the environment says instead."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from astrid_assets.resources.environment import (
    PARTS,
    VARIABLES,
    Addresses,
    CommandLine,
    Computing,
    DagsterHistory,
    Environment,
    Nights,
    Web,
)
from astrid_assets.resources.home import project_root
from astrid_assets.resources.variables import BadEnvironment, is_secret, variable_of

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {
    "ASTRID_SMTP_PASSWORD",
    "ASTRID_DATABASE_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "MLFLOW_TRACKING_URI",
    "ASTRID_WEBHOOK_URL",
    "ASTRID_DAGSTER_DATABASE_URL",
}
pytestmark = pytest.mark.usefixtures("own_home")


def test_everything_is_below_one_folder_by_default(own_home: Path) -> None:
    found = DagsterHistory()
    assert found.home == own_home
    assert found.database_url.get_secret_value() == f"sqlite:///{own_home}/catalogue.db"
    assert found.store_url == f"{own_home}/store"
    assert found.tracking_uri.get_secret_value() == f"sqlite:///{own_home}/mlflow/mlflow.db"
    assert found.artifacts_folder == f"{own_home}/mlflow/artifacts"
    assert found.dagster_folder == own_home / "dagster"
    assert found.dagster_database_url is None
    assert found.compute_logs_url is None
    assert found.webhook_url is None
    assert not own_home.exists(), "asking for addresses makes nothing"


def test_the_other_defaults_need_no_variable() -> None:
    assert Computing().workers >= 1
    assert Computing().compute == "processes"
    assert Nights().first_night == date(2010, 1, 1)
    web = Web()
    assert (web.web_host, web.web_port, web.dagster_url) == (
        "127.0.0.1",
        3001,
        "http://127.0.0.1:3000",
    )
    assert (web.web_login, web.web_public, web.web_hosts) == (False, False, ())
    assert CommandLine().debug is None


def test_without_a_home_it_is_a_hidden_folder_of_the_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ASTRID_HOME")
    assert Addresses().home == project_root() / ".astrid"
    assert (project_root() / "dagster.yaml").is_file()


def test_a_blank_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    default = Environment()
    for variable in VARIABLES:
        if variable != "ASTRID_HOME":
            monkeypatch.setenv(variable, "  ")
    assert Environment() == default
    assert default.variables_set == ["ASTRID_HOME"]


def test_variables_are_read_when_a_part_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRID_STORE_URL", " s3://bucket/prefix ")
    before = Addresses()
    monkeypatch.setenv("ASTRID_STORE_URL", "s3://bucket/other")
    assert before.store_url == "s3://bucket/prefix"
    assert Addresses().store_url == "s3://bucket/other"
    assert Addresses().variables_set == ["ASTRID_HOME", "ASTRID_STORE_URL"]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_postgres_driver_is_spelled_out(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("ASTRID_DAGSTER_DATABASE_URL", f"{scheme}://me:pw@host/name")
    url = DagsterHistory().dagster_database_url
    assert url is not None
    assert url.get_secret_value() == "postgresql+psycopg2://me:pw@host/name"


def test_host_names_may_be_separated_by_commas_or_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRID_WEB_HOSTS", "Sky.example.org, b  c")
    assert Web().web_hosts == ("sky.example.org", "b", "c")


def test_a_server_of_mlflow_keeps_its_files_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    assert Addresses().artifacts_folder is None


@pytest.mark.parametrize(
    ("variable", "value", "valid"),
    [
        ("ASTRID_HOME", "~no-such-user/x", "/data/astrid"),
        ("ASTRID_WORKERS", "0", "a whole number above 0"),
        ("ASTRID_WORKERS", "-1", "a whole number above 0"),
        ("ASTRID_WORKERS", "many", "a whole number above 0"),
        ("ASTRID_WORKERS", "1.5", "a whole number above 0"),
        ("ASTRID_COMPUTE", "magic", "serial, processes, ray"),
        ("ASTRID_COMPUTE_LOGS_URL", "file:///logs", "s3://"),
        ("ASTRID_COMPUTE_LOGS_URL", "s3:///prefix", "s3://"),
        ("ASTRID_FIRST_NIGHT", "2010-13-01", "YYYY-MM-DD"),
        ("ASTRID_FIRST_NIGHT", "0", "YYYY-MM-DD"),
        ("ASTRID_WEB_PORT", "65536", "1 to 65535"),
        ("ASTRID_WEB_PORT", "http", "1 to 65535"),
        ("ASTRID_WEB_LOGIN", "maybe", "1 or 0"),
        ("ASTRID_WEB_PUBLIC", "2", "1 or 0"),
    ],
)
def test_a_wrong_value_is_shown_beside_a_valid_one(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, valid: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadEnvironment) as caught:
        Environment()
    (problem,) = caught.value.args
    assert problem.startswith(f"{variable} must be ")
    assert valid in problem
    assert problem.endswith(f", it is {value!r}")


@pytest.mark.parametrize("url", ["mysql://me:hidden@host/db", "me:hidden@host"])
def test_a_wrong_address_that_may_hold_a_password_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ASTRID_DAGSTER_DATABASE_URL", url)
    with pytest.raises(BadEnvironment, match=r"^ASTRID_DAGSTER_DATABASE_URL must") as caught:
        DagsterHistory()
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__, "a traceback shows nothing of it either"


def test_all_wrong_variables_of_a_part_are_named_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASTRID_WORKERS", "many")
    monkeypatch.setenv("ASTRID_COMPUTE", "magic")
    with pytest.raises(BadEnvironment, match=r"ASTRID_WORKERS .*; ASTRID_COMPUTE "):
        Computing()


def test_a_wrong_variable_stops_only_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRID_WEB_PORT", "http")
    assert Computing().compute == "processes"
    assert Addresses().store_url
    with pytest.raises(BadEnvironment, match="ASTRID_WEB_PORT"):
        Web()


def test_secrets_are_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in SECRETS:
        monkeypatch.setenv(variable, "postgresql://me:hidden-word@host/db")
    found = Environment()
    assert "hidden-word" not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"
    assert "hidden-word" in str(found.s3_access)


def test_every_variable_is_declared_in_one_part_and_those_with_passwords_are_secret() -> None:
    fields = Environment.model_fields.values()
    assert {variable_of(field) for field in fields if is_secret(field)} == SECRETS
    own = [name for part in PARTS for name in part.model_fields if name in part.__annotations__]
    assert own == list(Environment.model_fields)
