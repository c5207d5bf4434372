"""Pages of a search and the cursors that lead from one to the next.

A cursor is the sort key of a page's last row. It is made of ids, nights and numbers
only, and what is none of ours is refused before it reaches the database.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Key = tuple[float | str, ...]
Row = TypeVar("Row")

MAX_PAGE = 1000  # rows
PLAIN = re.compile(r"[0-9a-f-]*")  # what ids and nights are made of


class BadCursor(ValueError):
    """A cursor that is none of ours, or of another search."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows in their order; `cursor` is None on the last page."""

    rows: list[Row]
    cursor: str | None


def cursor_of(kind: str, key: Key) -> str:
    """Return the cursor after a row, for searches of this kind."""
    text = json.dumps([kind, *key])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def key_in_cursor(cursor: str, kind: str, types: Sequence[type]) -> Key:
    """Return the sort key in a cursor.

    Raises
    ------
    BadCursor
        If it is of another kind, or its parts are not of these types.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if (
        not isinstance(parts, list)
        or parts[:1] != [kind]
        or [type(part) for part in parts[1:]] != list(types)
        or any(isinstance(p, float) and not math.isfinite(p) for p in parts)
        or any(isinstance(p, str) and not PLAIN.fullmatch(p) for p in parts[1:])
    ):
        raise BadCursor(
            "this cursor belongs to another search: leave it out, or follow `next` of "
            "a page with the same sort order"
        )
    return tuple(parts[1:])
