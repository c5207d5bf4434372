"""Angles as users and headers write them: decimal, or sexagesimal."""

from __future__ import annotations

import math
import re

SEXAGESIMAL = re.compile(
    r"([+-]?)(\d{1,3})[: hd°]+(\d{1,2})(?:[: m'′]+(\d{1,2}(?:\.\d*)?)[s\"″]?|[m'′]?)", re.IGNORECASE
)


def angle_deg(text: str, *, is_ra: bool) -> float | None:
    """Return an angle in degrees.

    Parameters
    ----------
    text
        Decimal degrees, or sexagesimal with colons, blanks or unit letters.
    is_ra
        True: sexagesimal is in hours, unless it is written with a d; the result is
        brought to 0 to 360. False: a declination, of at most 90.

    Returns
    -------
    angle : degrees
        None for what is no such angle.
    """
    given = text.strip().replace("\N{MINUS SIGN}", "-")
    try:
        value = float(given)
    except ValueError:
        found = SEXAGESIMAL.fullmatch(given)
        if found is None or int(found[3]) >= 60 or float(found[4] or 0) >= 60:
            return None
        value = int(found[2]) + int(found[3]) / 60 + float(found[4] or 0) / 3600
        in_hours = "h" in given.lower() or (is_ra and not re.search("[d°]", given.lower()))
        if in_hours and (value >= 24 or not is_ra):
            return None
        value = math.copysign(value, -1.0 if found[1] == "-" else 1.0) * (15 if in_hours else 1)
    if not (abs(value) <= (360 if is_ra else 90)):
        return None
    # The remainder of a tiny negative number is 360 itself.
    return value % 360 % 360 if is_ra else value
