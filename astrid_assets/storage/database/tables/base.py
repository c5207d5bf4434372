"""The base of every table: names of constraints, types of ids and of JSON columns."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Float,
    Integer,
    MetaData,
    String,
)
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, mapped_column

from astrid_assets.storage.database.column_types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from astrid_assets.science.quality.numbers import MeasuredNumber

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


Id = String(36)


Json = dict[str, Any]


class Base(MappedAsDataclass, DeclarativeBase, eq=False, repr=False):
    """Types and constraint names shared by all tables.

    A row is made by naming its columns: a missing or misspelled one is an error that
    the type checker finds. What may be unknown is None unless it is given. Tables state
    `kw_only` themselves, because type checkers do not inherit it.
    """

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        float: Float(53),
        int: Integer,
        str: String(255),
        dt.datetime: UtcDateTime(),
        Json: JSON,
        list[Any]: JSON,
    }


def add_numbers(table_cls: type[Base], numbers: Iterable[MeasuredNumber]) -> None:
    """Give a table a column for each declared number that its class does not spell out.

    Empty means not measured: rows that were written before the number was declared have
    no value for it. It is no argument of the class: `set_numbers` gives it to a row.
    """
    columns = Base.metadata.tables[table_cls.__tablename__].columns
    for number in numbers:
        if number.name not in columns:
            setattr(table_cls, number.name, mapped_column(Float(53), nullable=True))


def set_numbers(
    row: Base, numbers: Iterable[MeasuredNumber], values: Mapping[str, float | None]
) -> None:
    """Give a new row the declared numbers; absent means not measured."""
    for number in numbers:
        setattr(row, number.name, values.get(number.name))
