"""Write rows by primary key, so that writing them twice changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql, sqlite

from astrid_assets.storage.database.column_types import fits, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Table
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.base import Base

Columns = dict[str, object]
"""Values by the names of their columns."""


def upsert(session: Session, rows: Sequence[Base]) -> None:
    """Insert rows of one table; where the primary key exists, update every other column.

    Columns that end in ``_at`` keep what was written first, so a rerun leaves rows
    identical. Among rows with one key the last counts. The rows stay the caller's: the
    session does not hold them.

    Raises
    ------
    ValueError
        If a text is too long for its column.
    TypeError
        If the rows are not all of one table.
    """
    if not rows:
        return
    table = mapped_table(type(rows[0]))
    prepared = _prepared(table, rows)
    keys = [column.name for column in table.primary_key]
    # One order for all writers: two that meet wait, they do not deadlock.
    unique = {tuple(str(row[key]) for key in keys): row for row in prepared}
    ordered = [unique[key] for key in sorted(unique)]
    insert = insert_into(session, table)
    changed = {
        name: insert.excluded[name]
        for name in prepared[0]
        if name not in keys and not name.endswith("_at")
    }
    statement = (
        insert.on_conflict_do_update(index_elements=keys, set_=changed)
        if changed
        else insert.on_conflict_do_nothing(index_elements=keys)
    )
    session.flush()
    session.connection().execute(statement, ordered)
    # Objects read before in this session would go on showing the old values.
    session.expire_all()


def insert_new(session: Session, rows: Sequence[Base], key: str) -> list[str]:
    """Insert rows of one table whose `key` (a unique column) is new; return the new keys."""
    if not rows:
        return []
    table = mapped_table(type(rows[0]))
    statement = (
        insert_into(session, table)
        .on_conflict_do_nothing(index_elements=[key])
        .returning(table.columns[key])
    )
    session.flush()
    return list(session.connection().execute(statement, _prepared(table, rows)).scalars())


def columns_of(row: Base) -> Columns:
    """Return the values of a row by attribute."""
    attributes = inspect(type(row)).column_attrs
    return {attribute.key: getattr(row, attribute.key) for attribute in attributes}


def mapped_table(table_cls: type[Base]) -> Table:
    """Return the table of a mapped class."""
    table: Table = table_cls.metadata.tables[table_cls.__tablename__]
    return table


def insert_into(session: Session, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the insert of the session's database, which knows conflicts."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def _prepared(table: Table, rows: Sequence[Base]) -> list[Columns]:
    """Return what is sent to the database; it numbers the rows of counted tables itself."""
    if any(type(row) is not type(rows[0]) for row in rows):
        raise TypeError(f"rows for {table.name} are mixed with others")
    columns = {
        attribute.key: attribute.columns[0]
        for attribute in inspect(type(rows[0])).column_attrs
        if attribute.columns[0].autoincrement is not True
    }
    return [
        {
            column.name: _value(table.columns[column.name], getattr(row, name))
            for name, column in columns.items()
        }
        for row in rows
    ]


def _value(column: Column[object], value: object) -> object:
    clean = plain(value)
    if not fits(clean, column.type):
        raise ValueError(
            f"{column.table.name}.{column.name} takes "
            f"{getattr(column.type, 'length', None)} characters, got {clean!r:.120}"
        )
    return clean
