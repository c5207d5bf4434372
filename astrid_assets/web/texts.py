"""The one type of every text that a request brings.

PostgreSQL stores no NUL, and half of a surrogate pair has no UTF-8: both are refused with
422, whatever the catalogue is. A pattern refuses the pair as well, because pydantic matches
it against UTF-8.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

NO_NUL = r"^[^\x00]*$"
REFUSED = "text takes no NUL and no half of a surrogate pair"

PlainText = Annotated[str, StringConstraints(pattern=NO_NUL)]
"""Text of a path, a query, a form or a JSON body; add the length that suits it."""
