"""Declared numbers over a survey's frames: how they lie against their limits."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.numbers import Severity
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun
from astrid_assets.surveys.profile import ProfileError, SurveyProfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session
    from sqlalchemy.sql import ColumnExpressionArgument

    from astrid_assets.science.quality.numbers import MeasuredNumber
    from astrid_assets.science.settings import Settings
    from astrid_assets.storage.database.tables.frames import Survey


@dataclass(frozen=True)
class NumberLine:
    """One declared number over the frames of a survey; values as they are printed.

    `frames` have the number; `unknown` were processed without it. `rejected` and
    `flagged` break a limit that is in force today, whenever they were judged.
    """

    heading: str
    sentence: str
    limits: str
    frames: int
    unknown: int
    lowest: str
    typical: str
    highest: str
    rejected: int
    flagged: int


def number_lines(session: Session, survey: Survey) -> list[NumberLine]:
    """Return one line per declared number of which a frame of the survey has a value."""
    try:
        profile = SurveyProfile.from_toml(survey.profile_toml)
    except ProfileError:
        # A profile of another version: the numbers are there, today's limits are not.
        profile = None
    is_current = DifferenceRun.is_current
    return [
        *_lines(session, survey.name, PreprocessRun, FRAME_NUMBERS, profile),
        *_lines(session, survey.name, DifferenceRun, DIFFERENCE_NUMBERS, profile, is_current),
    ]


def _lines(
    session: Session,
    survey: str,
    table: type[PreprocessRun | DifferenceRun],
    numbers: Sequence[MeasuredNumber],
    profile: SurveyProfile | None,
    *conditions: ColumnExpressionArgument[bool],
) -> list[NumberLine]:
    query = (
        select(*(getattr(table, number.name) for number in numbers))
        .join(Observation, Observation.id == table.observation_id)
        .where(Observation.survey == survey, *conditions)
    )
    rows = [row for row in session.execute(query) if any(value is not None for value in row)]
    columns = zip(*rows, strict=True)
    return [
        _line(number, values, getattr(profile, number.section, None))
        for number, values in zip(numbers, columns, strict=False)
        if any(value is not None for value in values)
    ]


def _line(
    number: MeasuredNumber, values: Sequence[float | None], settings: Settings | None
) -> NumberLine:
    known = [value for value in values if value is not None]
    broken = [number.broken(value, settings) if settings else None for value in known]
    return NumberLine(
        heading=number.heading,
        sentence=number.sentence,
        limits=", ".join(number.limits_in_words(settings)) if settings else "",
        frames=len(known),
        unknown=len(values) - len(known),
        lowest=number.in_table(min(known), settings),
        typical=number.in_table(median(known), settings),
        highest=number.in_table(max(known), settings),
        rejected=broken.count(Severity.REJECT),
        flagged=broken.count(Severity.FLAG),
    )
