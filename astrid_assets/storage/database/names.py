"""Names that can be read out: `AST25aabc` for an object, `AST25aabc.2` for a detection of it.

Two digits of the year of the first detection, then letters that count; ids stay what
everything is stored by.
"""

from __future__ import annotations

import re
from string import ascii_lowercase

PREFIX = "AST"
MIN_LETTERS = 4
NAME = re.compile(rf"({PREFIX}\d\d[a-z]{{{MIN_LETTERS},}})(?:\.(\d+))?", re.IGNORECASE)


def object_name(year: int, number: int) -> str:
    """Return the name of the object of this number, from 0, in a year.

    Letters count as digits do, aaaa, aaab, …; after zzzz comes a fifth.
    """
    letters = ""
    while number or len(letters) < MIN_LETTERS:
        number, digit = divmod(number, len(ascii_lowercase))
        letters = ascii_lowercase[digit] + letters
    return f"{PREFIX}{year % 100:02d}{letters}"


def detection_name(object_name: str, number: int) -> str:
    """Return the name of the detection of this number, from 1, of an object."""
    return f"{object_name}.{number}"


def is_name(text: str) -> bool:
    """Say whether a text has the form of a name, whatever its case."""
    return NAME.fullmatch(text.strip()) is not None


def as_written(name: str) -> str:
    """Return a name as the catalogue writes it: AST in capitals, letters small."""
    name = name.strip()
    return name[: len(PREFIX)].upper() + name[len(PREFIX) :].lower()
