"""The settings of the web application follow from the environment and from arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.resources.variables import BadEnvironment
from astrid_assets.web.settings import settings_from_environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("own_home")


def test_without_variables_it_serves_this_machine_from_the_home(own_home: Path) -> None:
    found = settings_from_environment()
    assert found.database_url == f"sqlite:///{own_home}/catalogue.db"
    assert found.store_url == f"{own_home}/store"
    assert (found.host, found.port) == ("127.0.0.1", 3001)
    assert not found.needs_login


def test_variables_reach_the_settings_and_arguments_outrank_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASTRID_WEB_HOST", "0.0.0.0")  # noqa: S104  nothing listens
    monkeypatch.setenv("ASTRID_WEB_PORT", "8080")
    monkeypatch.setenv("ASTRID_WEB_PUBLIC", "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    found = settings_from_environment()
    assert (found.port, found.s3_secret_key) == (8080, "key")
    assert found.public_reading
    assert found.needs_login, "others reach it"
    given = settings_from_environment("localhost", 9000)
    assert (given.host, given.port, given.needs_login) == ("localhost", 9000, False)


def test_every_wrong_variable_of_the_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRID_WEB_PORT", "http")
    monkeypatch.setenv("ASTRID_WEB_LOGIN", "maybe")
    with pytest.raises(BadEnvironment, match=r"ASTRID_WEB_PORT .*; ASTRID_WEB_LOGIN "):
        settings_from_environment()
