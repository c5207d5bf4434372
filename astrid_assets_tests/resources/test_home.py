"""Addresses: defaults below one folder, and what the environment says instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from astrid_assets.resources import home

if TYPE_CHECKING:
    from pathlib import Path


def test_everything_is_below_one_folder_by_default(own_home: Path) -> None:
    assert home.astrid_home() == own_home
    assert home.database_url() == f"sqlite:///{own_home}/catalogue.db"
    assert home.store_url() == f"{own_home}/store"
    assert home.tracking_uri() == f"sqlite:///{own_home}/mlflow/mlflow.db"
    assert home.artifacts_folder() == own_home / "mlflow" / "artifacts"
    assert home.dagster_folder() == own_home / "dagster"
    assert home.dagster_database_url() is None
    assert home.compute_logs_url() is None
    assert home.webhook_url() is None
    assert not own_home.exists(), "asking for addresses makes nothing"


def test_without_a_home_it_is_a_hidden_folder_of_the_project(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(home.HOME)
    assert home.astrid_home() == home.project_root() / ".astrid"
    assert (home.project_root() / "dagster.yaml").is_file()


@pytest.mark.usefixtures("own_home")
def test_a_variable_without_a_value_counts_as_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    default = home.store_url()
    monkeypatch.setenv(home.STORE_URL, "  ")
    assert home.store_url() == default
    monkeypatch.setenv(home.STORE_URL, "s3://bucket/prefix")
    assert home.store_url() == "s3://bucket/prefix"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_postgres_driver_is_spelled_out(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv(home.DAGSTER_DATABASE_URL, f"{scheme}://me:pw@host/name")
    assert home.dagster_database_url() == "postgresql+psycopg2://me:pw@host/name"


@pytest.mark.parametrize("url", ["mysql://me:hidden@host/db", "me:hidden@host"])
def test_another_database_for_dagster_is_refused_without_telling_the_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(home.DAGSTER_DATABASE_URL, url)
    with pytest.raises(ValueError, match=home.DAGSTER_DATABASE_URL) as caught:
        home.dagster_database_url()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_senseless_numbers_of_workers_are_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(home.WORKERS, text)
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        home.workers()


def test_all_cores_work_by_default(own_home: Path) -> None:
    assert home.workers() >= 1


def test_an_unknown_back_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(home.COMPUTE_BACKEND, "magic")
    with pytest.raises(ValueError, match="'magic'"):
        home.compute_backend()


def test_the_example_lists_every_variable_once() -> None:
    text = (home.project_root() / ".env.example").read_text()
    listed = re.findall(r"^([A-Z0-9_]+)=", text, flags=re.MULTILINE)
    assert listed == list(home.VARIABLES)
