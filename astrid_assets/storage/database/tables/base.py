"""The base of every table: names of constraints, types of ids and of JSON columns."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    JSON,
    Float,
    Integer,
    MetaData,
    String,
)
from sqlalchemy.orm import DeclarativeBase

from astrid_assets.storage.database.column_types import UtcDateTime

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


Id = String(36)


Json = dict[str, Any]


class Base(DeclarativeBase):
    """Types and constraint names shared by all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        float: Float(53),
        int: Integer,
        str: String(255),
        dt.datetime: UtcDateTime(),
        Json: JSON,
        list[Any]: JSON,
    }
