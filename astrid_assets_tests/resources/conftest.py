"""A Dagster instance of the project's dagster.yaml with a home of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from astrid_assets.resources import home
from astrid_assets_tests.services import (
    postgres_server,
    postgres_url,
    s3_endpoint,
    s3_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["postgres_server", "postgres_url", "s3_endpoint", "s3_server"]


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ASTRID_HOME, and none of the other variables."""
    for variable in home.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(home.HOME, str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def instance(own_home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance that dagster.yaml describes, in that home."""
    with dg.DagsterInstance.from_config(str(home.project_root())) as made:
        yield made
