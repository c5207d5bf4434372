"""A gate and its verdict: a comparison that decides by the value it shows.

The gates themselves are declared in `gates`, `master_gates` and `difference_gates`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Protocol

from astrid_assets.science.quality.printing import rounded_away

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Judged(Protocol):
    """A verdict, just reached or read from the catalogue."""

    @property
    def gate(self) -> str:
        """Name of the gate."""
        ...

    @property
    def passed(self) -> bool:
        """Whether the value lies within the limit."""
        ...

    @property
    def holds_back(self) -> bool:
        """Whether a failure blocks the night."""
        ...

    @property
    def value(self) -> float | None:
        """What was judged; None: nothing."""
        ...

    @property
    def limit(self) -> str:
        """The limits in words."""
        ...

    @property
    def detail(self) -> str:
        """The counts behind the value."""
        ...


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a gate found: `value` against `lowest` and `highest`, both inside.

    `holds_back` says what a failure does: True blocks the night (or the model), False
    only warns. A gate with nothing to judge has no value, and passes.
    """

    gate: str
    holds_back: bool
    value: float | None
    lowest: float = -math.inf
    highest: float = math.inf
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the value lies within the limits; NaN does not."""
        return self.value is None or self.lowest <= self.value <= self.highest

    @property
    def limit(self) -> str:
        """The limits in words, with every digit that decides."""
        if math.isinf(self.highest):
            return f">= {_exact(self.lowest)}"
        if math.isinf(self.lowest):
            return f"<= {_exact(self.highest)}"
        return f"{_exact(self.lowest)} to {_exact(self.highest)}"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The declaration of a gate.

    Attributes
    ----------
    name
        Name in the catalogue and in Dagster.
    asset
        Asset whose night (or version) it judges.
    claim
        The statement that the value is tested for; the text in the UI.
    number
        What the value is.
    blocks
        A failure keeps the night from the next asset; otherwise it warns.
    """

    name: str
    asset: str
    claim: str
    number: str
    blocks: bool

    def judge(
        self,
        value: float | None,
        *,
        at_least: float = -math.inf,
        at_most: float = math.inf,
        detail: str,
    ) -> Verdict:
        """Return the verdict on a value; None: there was nothing to judge.

        Parameters
        ----------
        value, at_least, at_most
            In the same unit; the limits are inside.
        detail
            A sentence with the counts behind the value.

        Returns
        -------
        verdict
            Passes when the value lies within the limits.
        """
        return Verdict(
            gate=self.name,
            holds_back=self.blocks,
            value=None if value is None else float(value),
            lowest=at_least,
            highest=at_most,
            detail=detail,
        )


def _exact(limit: float) -> str:
    short = f"{limit:g}"
    return short if float(short) == limit else repr(limit)


def value_in_words(value: float | None, limit: str) -> str:
    """Print the value of a verdict so that it does not contradict the limit beside it.

    Parameters
    ----------
    value
        None where there was nothing to judge.
    limit
        In words, as a verdict holds it and the catalogue keeps it.

    Returns
    -------
    text
        The value, rounded away from each number that stands in `limit`.
    """
    if value is None:
        return "no value"
    return rounded_away(value, [float(number) for number in NUMBER.findall(limit)])
