"""The catalogue: a database of what AstrID knows, on SQLite or PostgreSQL.

A `Catalogue` is an address; it connects when it is used, in each process anew, and
can be sent to another one. Queries are the functions of this package's modules
(`observations`, `frames`, `candidates`, …), which take a session first. What goes
wrong with the database as a whole is reported by `catalogue_errors`.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from astrid_assets.storage.database.catalogue_errors import CatalogueUnavailable, catalogue_error
from astrid_assets.storage.database.column_types import json_text
from astrid_assets.storage.database.migrations import schema as migrations
from astrid_assets.storage.database.tables import (  # noqa: F401  foreign keys need every table
    detections,
    frames,
    learning,
    masters,
    nights,
    retraining,
    review,
    watching,
)
from astrid_assets.storage.private import make_private_file, make_private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry


BUSY_TIMEOUT_S = 30  # another process may hold SQLite's one write lock this long
CONNECT_TIMEOUT_S = 10
READ_ONLY = re.compile("readonly database|read-only transaction")
"""A write inside `Catalogue.read` is a fault of the program and stays one."""
MIGRATION_LOCK = 7262174301  # any number, the same in every AstrID


def now() -> dt.datetime:
    """Return the time, aware and in UTC."""
    return dt.datetime.now(dt.UTC)


class Catalogue:
    """The database at an address such as ``sqlite:///…`` or ``postgresql://…``.

    Raises
    ------
    CatalogueUnavailable
        If the address is none, or of another database.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self._engine: tuple[int, Engine] | None = None

    @property
    def url(self) -> str:
        """Where it is, with any password hidden."""
        secret = [key for key in self._url.query if "pass" in key.lower()]
        return self._url.difference_update_query(secret).render_as_string()

    @property
    def is_sqlite(self) -> bool:
        """True for a file of this machine."""
        return self._url.get_backend_name() == "sqlite"

    def __getstate__(self) -> dict[str, object]:
        """Leave the connections behind when travelling to another process."""
        return {"_url": self._url, "_engine": None}

    def __repr__(self) -> str:
        return f"Catalogue({self.url!r})"

    @property
    def engine(self) -> Engine:
        """The connections of this process."""
        if self._engine is None or self._engine[0] != os.getpid():
            self._engine = (os.getpid(), self._create())
        return self._engine[1]

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One transaction that writes: all of it is kept, or nothing."""
        with self._session(writes=True) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One transaction that sees one state of the catalogue and may not write."""
        with self._session(writes=False) as session:
            yield session

    def migrate(self) -> None:
        """Bring the tables up to date; two processes may do so at once."""
        with self._errors(), self._writing().begin() as connection:
            if not self.is_sqlite:
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"),
                    {"lock": MIGRATION_LOCK},
                )
            self._refuse_newer(connection)
            migrations.upgrade_schema(connection)

    def has_tables(self) -> bool:
        """Say whether it was ever brought up to date: a new one holds nothing."""
        with self._errors(), self.engine.connect() as connection:
            return migrations.current(connection) is not None

    def check(self) -> None:
        """Raise CatalogueUnavailable unless it can be read, written and is current."""
        with self._errors(), self._writing().connect() as connection:
            self._refuse_newer(connection)
            if migrations.current(connection) != migrations.head():
                raise CatalogueUnavailable.not_migrated(self.url)
            # Taking the write lock and giving it back shows that writing works.
            connection.execute(text("UPDATE surveys SET name = name WHERE name IS NULL"))
            connection.rollback()

    def close(self) -> None:
        """Drop this process's connections; the next use opens new ones."""
        if self._engine is not None and self._engine[0] == os.getpid():
            self._engine[1].dispose()
        self._engine = None

    def _writing(self) -> Engine:
        return self.engine.execution_options(astrid_writes=True)

    def _reading(self) -> Engine:
        if self.is_sqlite:
            return self.engine.execution_options(astrid_reads=True)
        return self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    @contextmanager
    def _session(self, *, writes: bool) -> Iterator[Session]:
        engine = self._writing() if writes else self._reading()
        factory = sessionmaker(engine, expire_on_commit=False)
        with self._errors(reading=not writes), factory() as session:
            yield session

    @contextmanager
    def _errors(self, *, reading: bool = False) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            problem = catalogue_error(error, self.url)
            if problem is None or (reading and READ_ONLY.search(str(error.orig))):
                raise
            raise problem from error

    def _refuse_newer(self, connection: Connection) -> None:
        revision = migrations.current(connection)
        if revision is not None and not migrations.knows(revision):
            raise CatalogueUnavailable.newer(self.url)

    @property
    def _folder(self) -> Path | None:
        database = self._url.database
        if not self.is_sqlite or not database or database == ":memory:":
            return None
        return Path(database).absolute().parent

    def _create(self) -> Engine:
        if self.is_sqlite:
            if self._folder is not None:
                try:
                    make_private_folder(self._folder)
                except OSError as error:
                    raise CatalogueUnavailable.no_folder(self.url, error) from error
                with suppress(OSError):  # SQLite says why it cannot be opened
                    make_private_file(Path(self._url.database or ""))
            engine = create_engine(
                self._url,
                json_serializer=json_text,
                connect_args={"timeout": BUSY_TIMEOUT_S},
            )
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        return create_engine(
            self._url,
            json_serializer=json_text,
            # A server that was restarted is found again by the next transaction.
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
        )


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The cause repeats parts of the address, and with them the password.
        raise CatalogueUnavailable.bad_address() from None
    if parsed.drivername in {"postgresql", "postgres"}:
        # Without a driver SQLAlchemy 2.1 takes psycopg 3, which is not installed.
        parsed = parsed.set(drivername="postgresql+psycopg2")
    if parsed.drivername not in {"sqlite", "postgresql+psycopg2"}:
        raise CatalogueUnavailable.bad_address()
    if parsed.drivername == "sqlite" and parsed.database in {None, "", ":memory:"}:
        # Each connection would see a database of its own.
        raise CatalogueUnavailable.bad_address()
    return parsed


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError("only sqlite3 connections are prepared here")
    # The driver's own transactions start late and not before DDL; ours are explicit.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later can be refused at once, whatever
    # the timeout: those that write take the lock first.
    options = connection.get_execution_options()
    reads = "ON" if options.get("astrid_reads") else "OFF"
    connection.exec_driver_sql(f"PRAGMA query_only={reads}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("astrid_writes") else "BEGIN")
