"""MLflow's database as a SQLite file of this machine: made whole, or not there.

MLflow makes its tables in hundreds of steps, and a file that a killed process left
half-way it neither finishes nor uses. So the file is made under another name and renamed.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import warnings
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from astrid_assets.storage.private import make_private_file, make_private_folder
from astrid_assets.tracking.server import TrackingUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

SQLITE = "sqlite:///"
BESIDE = ("", "-journal", "-wal", "-shm")
"""Endings of the files that SQLite keeps for one database."""

USED_TABLES = ("runs", "registered_models")
"""A database with a row in one of these holds something to lose."""


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an embedded database, None for a server."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def make_whole(file: Path) -> None:
    """Make MLflow's database unless it is there; two processes may do so at once.

    Raises
    ------
    TrackingUnavailable
        If the file cannot be written there.
    """
    check_writable(file)
    if _is_there(file):
        return
    with (file.parent / f".{file.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_there(file):
            return
        part = file.parent / f".{file.name}.part"
        _remove(part)  # of a process that was killed here
        try:
            make_private_file(part)
            _make_tables(part)
            part.replace(file)
        except OSError as error:
            raise TrackingUnavailable(
                f"MLflow's database {file} cannot be made ({error.strerror}): free space "
                "there, or set MLFLOW_TRACKING_URI to a writable location"
            ) from error
        finally:
            _remove(part)


def check_writable(file: Path) -> None:
    """Make the folder of an embedded MLflow database.

    Raises
    ------
    TrackingUnavailable
        If the file cannot be written there.
    """
    try:
        make_private_folder(file.parent)
    except OSError as error:
        raise TrackingUnavailable(
            f"the folder of MLflow's database cannot be made: {error}; set "
            "MLFLOW_TRACKING_URI to a writable location"
        ) from error
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise TrackingUnavailable(
            f"MLflow's database {file} cannot be written: check its permissions, or "
            "set MLFLOW_TRACKING_URI to a writable location"
        )


def was_never_finished(file: Path) -> bool:
    """Return whether the file was left half-way when it was made, and holds nothing.

    A file that is no database is damaged, which is something else.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision

    try:
        with closing(_read_only(file)) as connection:
            tables = _tables(connection)
            if any(
                connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()  # noqa: S608  names of ours
                for name in USED_TABLES
                if name in tables
            ):
                return False
            if "alembic_version" not in tables:
                return True
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:
        return False
    return row is None or row[0] != _get_latest_schema_revision()


def move_aside(file: Path) -> Path:
    """Rename a database and what SQLite keeps beside it; returns the new path."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S")
    aside = file.with_name(f"{file.name}.broken-{stamp}")
    for ending in BESIDE:
        present = file.with_name(file.name + ending)
        if present.exists():
            present.rename(aside.with_name(aside.name + ending))
    return aside


def runs_missing(file: Path, run_ids: Sequence[str]) -> list[str]:
    """Return which of the MLflow runs the file does not hold, all where there is none.

    Raises
    ------
    TrackingUnavailable
        If the file cannot be read.
    """
    if not file.exists():
        return list(run_ids)
    try:
        with closing(_read_only(file)) as connection:
            if "runs" not in _tables(connection):
                return list(run_ids)
            query = "SELECT 1 FROM runs WHERE run_uuid = ?"
            return [each for each in run_ids if not connection.execute(query, (each,)).fetchone()]
    except sqlite3.DatabaseError as error:
        raise TrackingUnavailable(
            f"MLflow's database {file} cannot be read ({error}): restore it from a backup, or "
            "move the file away to begin anew; models in force are kept in the object store"
        ) from error


def _make_tables(file: Path) -> None:
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine_with_retry(f"{SQLITE}{file}")
    try:
        with warnings.catch_warnings():
            # MLflow's migrations use what SQLAlchemy calls deprecated.
            warnings.simplefilter("ignore")
            utils._initialize_tables(engine)  # noqa: SLF001  `mlflow db upgrade` needs tables
    finally:
        engine.dispose()


def _is_there(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _remove(file: Path) -> None:
    for ending in BESIDE:
        file.with_name(file.name + ending).unlink(missing_ok=True)


def _read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)


def _tables(connection: sqlite3.Connection) -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    return {row[0] for row in connection.execute(query)}
