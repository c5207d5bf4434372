"""Declarations of measured numbers: unit, sentence, limits and what breaking one means.

A number is declared once. Reasons, flags and the gates of nights follow from its
declaration, and so do texts in `explain`, the report and the reference page. The
declarations themselves are in `frame_numbers` and `difference_numbers`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import ValidationError

from astrid_assets.science.errors import Reason
from astrid_assets.science.quality.printing import (
    UNKNOWN,
    heading,
    labelled,
    printed,
    printed_limit,
    without_unit,
)

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

    def words(self, settings: Settings, unit: str) -> str:
        """Return the limit in force, in words; empty where it is switched off.

        Parameters
        ----------
        settings
            The section that holds the limit.
        unit
            Unit of the number.

        Returns
        -------
        text
            Such as ``at most 12 px`` or ``flagged above 1.3``.
        """
        bound = self.value(settings)
        if bound is None:
            return ""
        beyond = "above" if self.side is LimitSide.AT_MOST else "below"
        side = self.side if self.severity is Severity.REJECT else f"flagged {beyond}"
        return f"{side} {printed_limit(bound, unit)}"

    def is_off_by_default(self, settings: Settings) -> bool:
        """Return whether the limit exists only where somebody has set it.

        Parameters
        ----------
        settings
            The section that holds the limit.

        Returns
        -------
        is_off
            True when the setting's default is None.
        """
        return type(settings).model_fields[self.setting].default is None


@dataclass(frozen=True, kw_only=True)
class MeasuredNumber:
    """A number that is measured on every frame or difference.

    Attributes
    ----------
    name
        Column of the catalogue, and name of the value in what was measured.
    label
        Short text for headings, axes and lists, without the unit.
    keyword
        Keyword in the headers of FITS files that are written for users.
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
    label: str
    keyword: str
    unit: str
    section: str
    where: str
    sentence: str
    finding: str
    limits: tuple[Limit, ...]
    nan_breaks: bool = False

    @property
    def heading(self) -> str:
        """The label with its unit, for columns and axes."""
        return heading(self.label, self.unit)

    def in_table(self, value: float | None, settings: Settings | None = None) -> str:
        """Print a value below its heading.

        Parameters
        ----------
        value : in the number's unit
            None or NaN: not measured.
        settings
            Hold the limits that the printed value must not cross; None: there are none.

        Returns
        -------
        text
            Without the unit; a dash where nothing was measured.
        """
        return without_unit(value, self.bounds(settings), self.unit)

    def in_words(self, value: float | None, settings: Settings | None = None) -> str:
        """Print a value with its label and its unit.

        Parameters
        ----------
        value, settings
            As for `in_table`.

        Returns
        -------
        text
            Such as ``FWHM 2.41 px``, ``41 common stars`` or ``FWHM unknown``.
        """
        if self.in_table(value) == UNKNOWN or value is None:
            return f"{self.label} unknown"
        return labelled(self.label, value, self.bounds(settings), self.unit)

    def limits_in_words(self, settings: Settings) -> list[str]:
        """Return the limits in force; empty where all are switched off.

        Parameters
        ----------
        settings
            The section that holds them.

        Returns
        -------
        texts
            Such as ``at most 1.7`` and ``flagged above 1.3``.
        """
        return [text for limit in self.limits if (text := limit.words(settings, self.unit))]

    def broken(self, value: float | None, settings: Settings) -> Severity | None:
        """Return what the limits in force do to a value; None: it lies within all.

        Parameters
        ----------
        value : in the number's unit
            None: not measured, which breaks nothing.
        settings
            The section that holds the limits.

        Returns
        -------
        severity
            What the most severe of the broken limits does.
        """
        if value is None:
            return None
        found = {
            limit.severity
            for limit in self.limits
            if self.reason(limit, value, settings) is not None
        }
        return next((severity for severity in reversed(Severity) if severity in found), None)

    def bounds(self, settings: Settings | None) -> list[float]:
        """Return the limits in force.

        Parameters
        ----------
        settings
            The section that holds them; None: there are none.

        Returns
        -------
        limits : in the number's unit
            In the order of the declaration.
        """
        if settings is None:
            return []
        found = (limit.value(settings) for limit in self.limits)
        return [bound for bound in found if bound is not None]

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
        if limit.severity is Severity.FLAG and limit.is_off_by_default(settings):
            # Somebody has set it; the words of other flags stand in files, and stay.
            text += f" by [{self.section}] {limit.setting}"
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


def by_name(numbers: Iterable[MeasuredNumber]) -> dict[str, MeasuredNumber]:
    """Return declared numbers by their names.

    Parameters
    ----------
    numbers
        Declarations of one section; names are unique there.

    Returns
    -------
    numbers
        In their order.
    """
    return {number.name: number for number in numbers}


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
