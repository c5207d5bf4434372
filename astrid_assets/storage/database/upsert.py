"""Write rows by primary key, so that writing them twice changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

from astrid_assets.storage.database.column_types import fits, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Column, Table
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.base import Base

Row = dict[str, object]


def upsert(session: Session, table_cls: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows; where the primary key exists, update every other column.

    Columns that end in ``_at`` keep what was written first, so a rerun leaves rows
    identical. Among rows with one key the last counts. Rows may name attributes or
    columns; all must name the same ones.

    Raises
    ------
    ValueError
        If rows differ in their columns, or a text is too long for its column.
    """
    table = mapped_table(table_cls)
    prepared = _prepared(table_cls, rows)
    if not prepared:
        return
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


def insert_new(
    session: Session,
    table_cls: type[Base],
    rows: Sequence[Mapping[str, object]],
    key: str,
) -> list[str]:
    """Insert rows whose `key` (a unique column) is new; return the new keys."""
    table = mapped_table(table_cls)
    prepared = _prepared(table_cls, rows)
    if not prepared:
        return []
    statement = (
        insert_into(session, table)
        .on_conflict_do_nothing(index_elements=[key])
        .returning(table.columns[key])
    )
    session.flush()
    return list(session.connection().execute(statement, prepared).scalars())


def mapped_table(table_cls: type[Base]) -> Table:
    """Return the table of a mapped class."""
    table: Table = table_cls.metadata.tables[table_cls.__tablename__]
    return table


def insert_into(session: Session, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the insert of the session's database, which knows conflicts."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def _prepared(table_cls: type[Base], rows: Iterable[Mapping[str, object]]) -> list[Row]:
    table = mapped_table(table_cls)
    names = _column_names(table_cls)
    prepared = [
        {names[name]: _value(table.columns[names[name]], value) for name, value in row.items()}
        for row in rows
    ]
    if any(row.keys() != prepared[0].keys() for row in prepared):
        raise ValueError(f"rows for {table.name} name different columns")
    return prepared


def _column_names(table_cls: type[Base]) -> dict[str, str]:
    names = {
        attribute.key: attribute.columns[0].name for attribute in table_cls.__mapper__.column_attrs
    }
    return names | {column.name: column.name for column in mapped_table(table_cls).columns}


def _value(column: Column[object], value: object) -> object:
    clean = plain(value)
    if not fits(clean, column.type):
        raise ValueError(
            f"{column.table.name}.{column.name} takes "
            f"{getattr(column.type, 'length', None)} characters, got {clean!r:.120}"
        )
    return clean
