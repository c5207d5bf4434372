"""Dagster's history in SQLite files, without the cost of reopening them per event.

Dagster's own classes make an engine, a connection and a compiled statement for every
event and close them again, which checkpoints the write-ahead log: 0.15 s for one
night of five assets. Here the engines are kept. Files, tables and behaviour are those
of Dagster; only who opens them when differs.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
)
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagster._serdes import ConfigurableClassData

REMEDIES = {
    "disk is full": "the disk is full: free space there, or move ASTRID_HOME to another "
    "disk, and run the same command again",
    "disk I/O error": "the disk is full or reports errors: free space there or check it, "
    "and run the same command again",
    "readonly database": "it cannot be written: let this user write it and its folder, or "
    "mount the disk writable, and run the same command again",
    "unable to open": "it cannot be opened: check that this user may write the folder, and "
    "run the same command again",
    "malformed": "it is damaged: move that folder away to begin a new history",
    "not a database": "it is damaged: move that folder away to begin a new history",
}
"""What SQLite says, and what to do about it."""

KEPT = "What was finished is in the catalogue, and nothing of it is lost."

OPEN_FILES = 8  # each run has a file of its own; the oldest is closed above this


class HistoryUnavailable(RuntimeError):
    """Dagster's history cannot be used; the message says why and what to do."""


@contextmanager
def history_errors(where: str) -> Iterator[None]:
    """Raise an error with a remedy where SQLite cannot use its file.

    Raises
    ------
    HistoryUnavailable
        From SQLite's error about the disk or the file; all others pass through.
    """
    try:
        yield
    except DatabaseError as error:
        for sign, remedy in REMEDIES.items():
            if sign in str(error.orig):
                raise HistoryUnavailable(
                    f"Dagster's history in {where}: {remedy}. {KEPT}"
                ) from error
        raise


class Engines:
    """The last few SQLite engines of this process, by address."""

    def __init__(self, limit: int = OPEN_FILES) -> None:
        self._limit = limit
        self._engines: OrderedDict[tuple[int, str], sa.Engine] = OrderedDict()

    def get(self, url: str) -> sa.Engine:
        """Return the engine of an address, made when it is new to this process."""
        # A forked child must not use the connections of its parent.
        key = (os.getpid(), url)
        if key in self._engines:
            self._engines.move_to_end(key)
            return self._engines[key]
        engine = sa.create_engine(
            url,
            # The thread that waits for a run's events is not the one that writes them.
            connect_args={
                "timeout": SQLITE_BUSY_TIMEOUT_SECONDS,
                "check_same_thread": False,
            },
        )
        event.listen(engine, "connect", _write_without_waiting)
        self._engines[key] = engine
        while len(self._engines) > self._limit:
            _, oldest = self._engines.popitem(last=False)
            oldest.dispose()
        return engine

    def dispose(self) -> None:
        """Close every file."""
        while self._engines:
            self._engines.popitem()[1].dispose()


class KeptEventLogStorage(SqliteEventLogStorage):
    """Dagster's event log, one file per run, with engines that are kept."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            if shard in self._initialized_dbs and not self._has_file(shard):
                # Another process wiped the run; a kept connection would write into
                # a deleted file.
                self._engines.dispose()
                self._initialized_dbs.discard(shard)
            engine = self._engines.get(self.conn_string_for_shard(shard))
            with history_errors(self._base_dir):
                if shard not in self._initialized_dbs:
                    self._initdb(engine)
                    self._initialized_dbs.add(shard)
                with engine.begin() as connection:
                    yield connection

    def _has_file(self, shard: str) -> bool:
        return Path(self.path_for_shard(shard)).exists()

    def dispose(self) -> None:
        """Close the files and stop watching them."""
        super().dispose()
        self._engines.dispose()


class KeptRunStorage(SqliteRunStorage):
    """Dagster's run storage with an engine that is kept."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines(limit=1)
        super().__init__(conn_string, inst_data)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a transaction."""
        engine = self._engines.get(self._conn_string)
        with history_errors(str(engine.url.database)), engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the file."""
        super().dispose()
        self._engines.dispose()


class SqliteHistory(DagsterSqliteStorage):
    """Runs, events and schedules below one folder; the first two keep their files."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        history = Path(base_dir) / "history"
        self._run_storage = KeptRunStorage.from_local(str(history))
        self._event_log_storage = KeptEventLogStorage(str(history / "runs"))


def _write_without_waiting(connection: sa.PoolProxiedConnection, _: object) -> None:
    # With a write-ahead log NORMAL survives a crash of the program; a power cut can
    # lose the last events of a run, and the catalogue, not the history, is the truth.
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
