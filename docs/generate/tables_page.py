"""Every table of the catalogue with its columns, from SQLAlchemy's own description."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql

from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.storage.database import tables
from astrid_assets.storage.database.tables.base import Base
from docs.generate.docstrings import attribute_docstrings, unit_of
from docs.generate.entries import Entry, Group, Page

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper

INTRODUCTION = """
The catalogue is a SQLite file or a PostgreSQL database (`ASTRID_DATABASE_URL`); both have these
tables. Types are those of PostgreSQL. Ids are hashes of natural keys, so the same frame has the
same id everywhere.
"""

NUMBERS = {
    "preprocess_runs": {number.name: number for number in FRAME_NUMBERS},
    "difference_runs": {number.name: number for number in DIFFERENCE_NUMBERS},
}
"""Measured numbers whose columns they are: declared once, so not described again."""


def mappers() -> list[Mapper[Base]]:
    """Return the mapped classes of all tables, by module."""
    for module in pkgutil.iter_modules(tables.__path__):
        importlib.import_module(f"{tables.__name__}.{module.name}")
    return sorted(Base.registry.mappers, key=lambda m: (m.class_.__module__, m.class_.__name__))


def page() -> Page:
    """Return the page of the catalogue's tables."""
    return Page("tables", "Tables of the catalogue", INTRODUCTION, tuple(map(_group, mappers())))


def _group(mapper: Mapper[Base]) -> Group:
    sentences = attribute_docstrings(mapper.class_)
    numbers = NUMBERS.get(str(mapper.local_table.description), {})
    entries = []
    for column in mapper.local_table.columns:
        number = numbers.get(column.name)
        notes = ["primary key"] if column.primary_key else []
        notes += ["may be empty"] if column.nullable else []
        notes += [f"→ `{key.target_fullname}`" for key in column.foreign_keys]
        kind = str(column.type.compile(dialect=postgresql.dialect())).lower()
        sentence = sentences.get(mapper.get_property_by_column(column).key, "")
        unit = unit_of(column.name)
        if number is not None:
            sentence, unit = sentence or number.sentence, unit or number.unit
        entries.append(Entry(column.name, sentence, (kind, ", ".join(notes), unit)))
    title = str(mapper.local_table.description)
    return Group(title, mapper.class_.__doc__ or "", ("type", "", "unit"), tuple(entries))
