"""Fixture: a small sky, and settings of an application that serves it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.api.serving import asked
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.small_sky import SmallSky, small_sky

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture(scope="session")
def sky_to_copy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SmallSky]:
    """A folder with a catalogue and a store, made once."""
    folder = tmp_path_factory.mktemp("sky")
    catalogue = new_catalogue(folder)
    made = small_sky(catalogue, FolderObjectStore(folder / "store"))
    catalogue.close()
    return folder, made


@pytest.fixture
def sky(sky_to_copy: tuple[Path, SmallSky], tmp_path: Path) -> SmallSky:
    """A catalogue and a store with ten frames, its own for each test."""
    folder, made = sky_to_copy
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return replace(
        made,
        catalogue=Catalogue(f"sqlite:///{tmp_path}/catalogue.db"),
        store=FolderObjectStore(tmp_path / "store"),
    )


@pytest.fixture
def settings(sky: SmallSky, tmp_path: Path) -> WebSettings:
    """On loopback, without logins, without Dagster."""
    return WebSettings(
        database_url=f"sqlite:///{tmp_path}/catalogue.db",
        store_url=str(tmp_path / "store"),
        dagster_url=NOWHERE,
    )


@pytest.fixture
def client(settings: WebSettings) -> Iterator[httpx.Client]:
    """A client of the served application."""
    with asked(settings) as client:
        yield client
