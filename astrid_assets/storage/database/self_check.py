"""What the database itself says about its files, and what it can mend."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, literal_column, select, text
from sqlalchemy.exc import DatabaseError

from astrid_assets.storage.database.tables.base import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from astrid_assets.storage.database.catalogue import Catalogue

MOST_LINES = 20
"""A damaged page makes a line for each of its rows."""


def database_damage(catalogue: Catalogue) -> list[str]:
    """Return what the database's own check finds, a sentence each; empty: it is whole.

    SQLite checks every page and index. PostgreSQL reads every row, which its checksums
    guard where they are on, and says which indexes are unusable.
    """
    try:
        with catalogue.engine.connect() as connection:
            if catalogue.is_sqlite:
                return _sqlite_damage(connection)
            return _postgres_damage(connection)
    except DatabaseError as error:
        return [_first_line(error)]


def missing_rows(catalogue: Catalogue) -> list[str]:
    """Return which rows name others that are not there, a sentence each.

    PostgreSQL does not let that happen; SQLite only to programs that ask for it.
    """
    if not catalogue.is_sqlite:
        return []
    with catalogue.engine.connect() as connection:
        orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    return [
        f"row {row[1]} of {row[0]} names a row of {row[2]} that is not there"
        for row in orphans[:MOST_LINES]
    ]


def rebuild_indexes(catalogue: Catalogue) -> None:
    """Make the indexes of a SQLite catalogue anew from its tables, all or none.

    It does nothing where a page is damaged, be it of a table or of an index: entries that
    are wrong or missing are made anew, pages are not.
    """
    with contextlib.suppress(DatabaseError), catalogue.engine.begin() as connection:
        connection.execute(text("REINDEX"))


def _sqlite_damage(connection: Connection) -> list[str]:
    check = connection.execute(text(f"PRAGMA integrity_check({MOST_LINES})")).scalars()
    return [str(line) for line in check if line != "ok"]


def _postgres_damage(connection: Connection) -> list[str]:
    found = [
        f"index {name} is not valid: REINDEX INDEX {name}"
        for name in connection.execute(
            text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        ).scalars()
    ]
    for table in Base.metadata.sorted_tables:
        try:
            # The text of a row needs all its columns, also those kept out of line.
            rows = select(func.sum(func.length(cast(literal_column(f'"{table.name}"'), Text))))
            connection.execute(rows.select_from(table))
        except DatabaseError as error:
            found.append(f"table {table.name}: {_first_line(error)}")
            connection.rollback()
    return found


def _first_line(error: DatabaseError) -> str:
    return str(error.orig).strip().splitlines()[0]
