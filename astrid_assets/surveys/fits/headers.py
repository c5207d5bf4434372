"""Headers as they are met: values that may be absent, empty, broken or inherited.

Nothing here raises: a keyword without a value, a card that breaks the standard and
text where a number should be are all "no value".
"""

from __future__ import annotations

import math
import re
import warnings
from typing import TYPE_CHECKING

from astropy.io import fits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CARD_ERRORS = (fits.VerifyError, ValueError, LookupError, AttributeError, TypeError)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
UNIT_IN_COMMENT = re.compile(r"^\s*\[\s*([A-Za-z]+)\s*\]")
NAME = re.compile(r"(?!.*\.\.\.$)[\x20-\x29\x2b-\x3e\x40-\x7e]{1,68}")
"""A keyword. With ``*``, ``?`` or a last ``...`` astropy takes it for a pattern."""


class HeaderView:
    """One image's header, with the primary header behind it."""

    def __init__(self, header: fits.Header, primary: fits.Header | None = None) -> None:
        self.header = header
        self._headers = [header] if primary is None else [header, primary]

    def value(self, keyword: str) -> str | float | bool | None:
        """Return the value, or None where there is no usable one."""
        for header in self._headers:
            found = _value(header, keyword)
            if found is not None:
                return found
        return None

    def has(self, keyword: str) -> bool:
        """Return whether the keyword stands in the header, with a value or not."""
        return any(_stands_in(header, keyword) for header in self._headers)

    def text(self, keyword: str) -> str | None:
        """Return the value as text: numbers as they read, booleans as no text."""
        value = self.value(keyword)
        if value is None or isinstance(value, bool):
            return None
        return value if isinstance(value, str) else f"{value:.15g}"

    def number(self, keyword: str) -> float | None:
        """Return the value as a finite number, also when it was written as text."""
        return _number(self.value(keyword))

    def own_number(self, keyword: str) -> float | None:
        """Return a number of this HDU alone: scaling is never inherited."""
        return _number(_value(self.header, keyword))

    def comment(self, keyword: str) -> str:
        """Return the comment beside the value, or ''."""
        for header in self._headers:
            if _value(header, keyword) is not None:
                try:
                    return str(header.comments[keyword])
                except CARD_ERRORS:
                    return ""
        return ""

    def unit(self, keyword: str) -> str:
        """Return the unit in the comment, ``[d] exposure time`` → ``d``, or ''."""
        found = UNIT_IN_COMMENT.match(self.comment(keyword))
        return found.group(1) if found else ""

    def first_number(self, keywords: Sequence[str]) -> tuple[str, float] | None:
        """Return the first keyword whose value is a number, with it."""
        for keyword in keywords:
            value = self.number(keyword)
            if value is not None:
                return keyword, value
        return None

    def keywords(self) -> Iterator[str]:
        """Yield every keyword once, those of the image first."""
        seen: set[str] = set()
        for header in self._headers:
            for keyword in header:
                if keyword not in seen and NAME.fullmatch(keyword):
                    seen.add(keyword)
                    yield keyword


def _value(header: fits.Header, keyword: str) -> str | float | bool | None:
    if not NAME.fullmatch(keyword):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = header[keyword]
        except CARD_ERRORS:
            return None
    if isinstance(value, str):
        # Astropy hands a card without "=" over as text that starts with its comment.
        text = value.strip()
        return None if not text or text.startswith("/") else text
    if isinstance(value, bool | int | float):
        return value
    return None


def _stands_in(header: fits.Header, keyword: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return keyword in header
        except CARD_ERRORS:
            return False


def _number(value: str | float | bool | None) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not NUMBER.fullmatch(text):
            return None
        value = float(text.replace("d", "e").replace("D", "E"))
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
