"""Declarations of measured numbers: unit, sentence, limits and what breaking one means.

A number is declared once. Reasons, flags and the gates of nights follow from its
declaration, and so do texts in `explain`, the report and the reference page. The
declarations themselves are in `frame_numbers` and `difference_numbers`.

Printed values are rounded away from the limit, never onto it: a value that is shown
never contradicts the verdict beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import ValidationError

from astrid_assets.science.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from astrid_assets.science.reasons import ReasonCode
    from astrid_assets.science.settings import Settings


class LimitSide(StrEnum):
    """On which side of the limit a value must lie; the limit itself is inside."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


class Severity(StrEnum):
    """What a broken limit does to the frame or the difference."""

    FLAG = "flag"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit on a number.

    Attributes
    ----------
    code
        Code of the reason that a broken limit gives.
    setting
        Name in the section's settings; None there switches the limit off.
    inverse
        The limit is 1 over the setting.
    causes
        Likely causes, in words; empty where the code says it all.
    risk
        What may happen if the setting is raised or lowered so that the frame passes.
    gate, claim
        Name of the night's gate on this limit, and its claim; empty: there is none.
    unless
        Codes beside which this one says nothing new.
    """

    side: LimitSide
    setting: str
    severity: Severity
    code: ReasonCode
    inverse: bool = False
    causes: str = ""
    risk: str = ""
    gate: str = ""
    claim: str = ""
    unless: tuple[ReasonCode, ...] = ()

    def value(self, settings: Settings) -> float | None:
        """Return the limit in force, None where it is switched off.

        Parameters
        ----------
        settings
            The section that holds the limit.

        Returns
        -------
        limit
            In the number's unit.
        """
        value = getattr(settings, self.setting)
        if value is None:
            return None
        return 1 / float(value) if self.inverse else float(value)

    def is_broken(self, value: float, limit: float) -> bool:
        """Return whether a value lies outside; the limit itself is inside.

        Parameters
        ----------
        value, limit
            In the same unit.

        Returns
        -------
        is_broken
            False for NaN: what is not known breaks nothing.
        """
        return value > limit if self.side is LimitSide.AT_MOST else value < limit


@dataclass(frozen=True, kw_only=True)
class MeasuredNumber:
    """A number that is measured on every frame or difference.

    Attributes
    ----------
    name
        Column of the catalogue and attribute of what was measured.
    unit
        ``fraction`` is printed in percent.
    section
        Section of the profile with the settings of its limits.
    where
        What it is measured on, and by which module.
    sentence
        What the number is.
    finding
        Words around the value, ``{value}``, in messages.
    nan_breaks
        A value that could not be computed breaks the limits that reject.
    """

    name: str
    unit: str
    section: str
    where: str
    sentence: str
    finding: str
    limits: tuple[Limit, ...]
    nan_breaks: bool = False

    def reason(self, limit: Limit, value: float, settings: Settings) -> Reason | None:
        """Return the reason a value gives at one limit, None where it is inside.

        Parameters
        ----------
        limit
            One of the number's own.
        value : in the number's unit
        settings
            The section that holds the limit.

        Returns
        -------
        reason
            Message, value and limit; None where the value is inside.
        """
        bound = limit.value(settings)
        if bound is None:
            return None
        if math.isnan(value):
            if not (self.nan_breaks and limit.severity is Severity.REJECT):
                return None
        elif not limit.is_broken(value, bound):
            return None
        return Reason(
            limit.code,
            self._message(limit, value, bound, settings),
            {self.name: float(value), "limit": bound},
        )

    def _message(self, limit: Limit, value: float, bound: float, settings: Settings) -> str:
        said = self.finding.format(value=printed(value, bound, self.unit))
        text = f"{said}, {limit.side} {printed_limit(bound, self.unit)} accepted"
        if limit.causes:
            text += f"; likely {limit.causes}"
        if limit.severity is not Severity.REJECT:
            return text
        passing = _passing(value, limit, settings) if math.isfinite(value) else None
        if passing is None:
            return f"{text}. No value of [{self.section}] {limit.setting} lets it pass"
        text += f". [{self.section}] {limit.setting} = {passing:.12g} would let it pass"
        return f"{text}: {limit.risk}" if limit.risk else text


def reasons_and_flags(
    numbers: Iterable[MeasuredNumber], values: Mapping[str, float | None], settings: Settings
) -> tuple[list[Reason], list[Reason]]:
    """Check measured values against the limits of their declarations.

    Parameters
    ----------
    numbers
        Declarations, in the order in which reasons are given.
    values
        By the name of the number; None or absent: not measured, so not judged.
    settings
        The section that holds the limits.

    Returns
    -------
    reasons, flags
        What rejects, and what is only flagged.
    """
    found: dict[Severity, list[Reason]] = {Severity.REJECT: [], Severity.FLAG: []}
    for severity in (Severity.REJECT, Severity.FLAG):
        for number in numbers:
            value = values.get(number.name)
            if value is None:
                continue
            for limit in number.limits:
                given = {reason.code for reasons in found.values() for reason in reasons}
                if limit.severity is not severity or given & set(limit.unless):
                    continue
                reason = number.reason(limit, value, settings)
                if reason is not None:
                    found[severity].append(reason)
    return found[Severity.REJECT], found[Severity.FLAG]


def printed(value: float, limit: float, unit: str = "") -> str:
    """Print a value with as many digits as keep it on its side of the limit.

    Parameters
    ----------
    value, limit : in the same unit
    unit
        ``fraction`` is printed in percent.

    Returns
    -------
    text
        Reads as above, below or at the limit exactly as the value is.
    """
    scale, after = _scale_and_unit(unit)
    return rounded_away(value, (limit,), scale=scale) + after


def rounded_away(value: float, limits: Iterable[float], *, scale: float = 1.0) -> str:
    """Print a value so that it stays on its side of every limit.

    Parameters
    ----------
    value, limits : in the same unit
    scale
        Factor from that unit to the printed one.

    Returns
    -------
    text
        Three significant digits, or as many more as the limits need.
    """
    if not math.isfinite(value):
        return str(value)
    # In percent the limit is the one that is printed: 0.07 * 100 is not 7.
    wanted = [
        (limit if scale == 1 else float(f"{limit * scale:.12g}"), _order(value, limit))
        for limit in limits
    ]
    for digits in range(3, 18):
        text = f"{value * scale:.{digits}g}"
        if all(_order(float(text), limit) == order for limit, order in wanted):
            return _plain(float(text), digits)
    return repr(value * scale)


def printed_limit(limit: float, unit: str = "") -> str:
    """Print a limit as it is set.

    Parameters
    ----------
    limit
        In the number's unit.
    unit
        ``fraction`` is printed in percent.

    Returns
    -------
    text
        All digits of the setting.
    """
    scale, after = _scale_and_unit(unit)
    return f"{limit * scale:.12g}{after}"


def gates_of(numbers: Sequence[MeasuredNumber]) -> tuple[tuple[MeasuredNumber, Limit], ...]:
    """Return the limits that a night is judged by, each with its number.

    Parameters
    ----------
    numbers
        Declarations.

    Returns
    -------
    gates
        Those limits that name a gate, in order.
    """
    return tuple((n, limit) for n in numbers for limit in n.limits if limit.gate)


def _scale_and_unit(unit: str) -> tuple[float, str]:
    """Return the factor to the printed unit, and what stands behind the number."""
    if unit == "fraction":
        return 100.0, " %"
    return 1.0, f" {unit}" if unit else ""


def _passing(value: float, limit: Limit, settings: Settings) -> float | None:
    """Return a round setting that lets the value pass; None where none is allowed."""
    outward = (1 / value if value else math.inf) if limit.inverse else value
    if not math.isfinite(outward):
        return None
    upwards = (limit.side is LimitSide.AT_MOST) != limit.inverse
    whole = isinstance(getattr(settings, limit.setting), int)
    step = 10.0 ** (math.floor(math.log10(abs(outward))) - 1) if outward else 1.0
    step = max(step, 1.0) if whole else step
    # The limit itself is inside; the margin is for the last bit of the division.
    margin = 0.0 if whole else 1e-9
    count = outward / step
    rounded = math.ceil(count + margin) if upwards else math.floor(count - margin)
    passing = float(f"{rounded * step:.12g}")
    try:
        relaxed = type(settings).model_validate(
            settings.model_dump() | {limit.setting: int(passing) if whole else passing}
        )
    except ValidationError:
        return None
    bound = limit.value(relaxed)
    return None if bound is None or limit.is_broken(value, bound) else passing


def _order(a: float, b: float) -> int:
    return int(a > b) - int(a < b)


def _plain(value: float, digits: int) -> str:
    """Print without an exponent where readers expect none."""
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e15:
        return f"{value:.0f}" if abs(value) >= 1 else f"{value:.{digits + 4}f}".rstrip("0")
    return text
