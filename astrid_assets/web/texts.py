"""The types of texts and dates that a request brings.

PostgreSQL stores no NUL, and half of a surrogate pair has no UTF-8: both are refused with
422, whatever the catalogue is. A pattern refuses the pair as well, because pydantic matches
it against UTF-8.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

NO_NUL = r"^[^\x00]*$"
REFUSED = "text takes no NUL and no half of a surrogate pair"

PlainText = Annotated[str, StringConstraints(pattern=NO_NUL)]
"""Text of a path, a query, a form or a JSON body; add the length that suits it."""

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _is_written(value: object) -> object:
    if isinstance(value, dt.date) or (isinstance(value, str) and DATE.match(value)):
        return value
    raise ValueError("a date is written YYYY-MM-DD, and a time after it as THH:MM:SS")


Day = Annotated[dt.date, BeforeValidator(_is_written)]
"""A date as written; alone pydantic takes any number for a date of 1970."""

Moment = Annotated[dt.datetime, BeforeValidator(_is_written)]
"""A date with a time, as written."""
