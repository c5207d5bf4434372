"""Declared numbers of frames or differences as a table: headings, limits, values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.quality.numbers import MeasuredNumber
    from astrid_assets.science.settings import Settings
    from astrid_assets.storage.database.tables.base import Base


@dataclass(frozen=True)
class NumberColumn:
    """The head of a column: what the number is, and the limits in force."""

    heading: str
    sentence: str
    limits: list[str]
    settings: str
    """Keys of the profile that set the limits."""


@dataclass(frozen=True)
class NumberCell:
    """A value in words; `broken`: what its limits do, ``flag``, ``reject`` or nothing."""

    text: str
    broken: str


@dataclass(frozen=True)
class NumbersTable:
    """One row per frame, one column per declared number."""

    columns: list[NumberColumn]
    rows: list[tuple[str, list[NumberCell]]]


def numbers_table(
    numbers: Sequence[MeasuredNumber],
    rows: Sequence[tuple[str, Base]],
    settings: Settings | None,
) -> NumbersTable:
    """Return a table of declared numbers; frames of which nothing was measured are left out.

    Parameters
    ----------
    rows
        Names of frames, each with the row that has a column for every number.
    settings
        Hold the limits; None: they are not known.
    """
    return NumbersTable(
        [_column(number, settings) for number in numbers],
        [
            (name, [_cell(number, getattr(row, number.name), settings) for number in numbers])
            for name, row in rows
            if any(getattr(row, number.name) is not None for number in numbers)
        ],
    )


def _column(number: MeasuredNumber, settings: Settings | None) -> NumberColumn:
    return NumberColumn(
        heading=number.heading,
        sentence=number.sentence,
        limits=number.limits_in_words(settings) if settings else [],
        settings=", ".join(f"{number.section}.{limit.setting}" for limit in number.limits),
    )


def _cell(number: MeasuredNumber, value: float | None, settings: Settings | None) -> NumberCell:
    broken = number.broken(value, settings) if settings else None
    return NumberCell(number.in_table(value, settings), str(broken or ""))
