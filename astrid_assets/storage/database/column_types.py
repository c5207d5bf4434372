"""Column types and values that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping

import numpy as np
from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator, TypeEngine


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A point in time: aware on the way in, UTC on the way out.

    SQLite keeps no time zone, so it is fixed here to be UTC.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: dt.datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> dt.datetime | None:
        """Refuse naive times, whose meaning nobody knows later."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; use catalogue.now()")
        return value.astimezone(dt.UTC)

    def process_result_value(
        self,
        value: dt.datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> dt.datetime | None:
        """Return an aware time in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=dt.UTC)
        return value.astimezone(dt.UTC)


def json_text(value: object) -> str:
    """Return the text of a JSON column: sorted keys, so a rerun writes it again.

    JSON has no NaN and PostgreSQL refuses it: what was not measured is null.
    """
    return json.dumps(plain(value), sort_keys=True, allow_nan=False)


def plain(value: object) -> object:  # noqa: PLR0911  one line per kind
    """Return what both databases take for a value.

    Numpy scalars become Python's, NaN and infinities None. PostgreSQL refuses NUL
    in text, and neither database takes bytes that are no UTF-8 (as file names may
    hold): both are written out as escapes.
    """
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        text = value.replace("\x00", "\\x00")
        return text.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def fits(value: object, column_type: TypeEngine[object]) -> bool:
    """Say whether a text is short enough; SQLite would not ask, PostgreSQL refuses."""
    length = column_type.length if isinstance(column_type, String) else None
    return length is None or not isinstance(value, str) or len(value) <= length
