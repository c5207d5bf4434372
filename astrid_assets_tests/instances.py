"""Fixtures: a home of its own and the Dagster instance that dagster.yaml describes.

A test folder that needs them imports them in its ``conftest.py``, as with `services`.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def empty_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an instance without runs, made once: its migrations take longer."""
    folder = tmp_path_factory.mktemp("history")
    with pytest.MonkeyPatch.context() as patch:
        for variable in VARIABLES:
            patch.delenv(variable, raising=False)
        patch.setenv("ASTRID_HOME", str(folder))
        with dg.DagsterInstance.from_config(str(project_root())) as made:
            made.add_dynamic_partitions("survey", ["wide"])
    return folder / "dagster"


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ASTRID_HOME, and none of the other variables."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def instance(own_home: Path, empty_history: Path) -> Iterator[dg.DagsterInstance]:
    """The project's instance in that home; it knows the survey ``wide``."""
    shutil.copytree(empty_history, own_home / "dagster")
    with dg.DagsterInstance.from_config(str(project_root())) as made:
        yield made
