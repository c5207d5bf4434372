"""Searches over surveys and their images, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, tuple_

from astrid_assets.storage.database.paging import MAX_PAGE, Page, cursor_of, key_in_cursor
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun, Survey

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class ObservationFilter:
    """Which images to list; None asks nothing."""

    survey: str | None = None
    night: str | None = None
    start_night: str | None = None
    end_night: str | None = None
    kind: str | None = None
    status: str | None = None
    field: str | None = None
    band: str | None = None


@dataclass(frozen=True)
class FoundObservation:
    """An image and what became of it; `run` is None before it was processed."""

    observation: Observation
    run: PreprocessRun | None


@dataclass(frozen=True)
class SurveyCount:
    """A survey with its number of images and the nights it spans."""

    survey: Survey
    n_observations: int
    first_night: str | None
    last_night: str | None


def search_observations(
    session: Session,
    wanted: ObservationFilter,
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[FoundObservation]:
    """Return one page of images, newest night first, with what became of them.

    Raises
    ------
    BadCursor
        If the cursor belongs to no search of images.
    """
    table = Observation
    query = (
        select(table, PreprocessRun)
        .outerjoin(PreprocessRun, PreprocessRun.observation_id == table.id)
        .order_by(table.night.desc(), table.id.desc())
    )
    for name in ("survey", "night", "kind", "status", "field", "band"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(getattr(table, name) == value)
    if wanted.start_night is not None:
        query = query.where(table.night >= wanted.start_night)
    if wanted.end_night is not None:
        query = query.where(table.night <= wanted.end_night)
    if cursor is not None:
        night, last = map(str, key_in_cursor(cursor, "observations", (str, str)))
        query = query.where(table.night <= night, tuple_(table.night, table.id) < (night, last))
    limit = min(limit, MAX_PAGE)
    rows = [FoundObservation(r[0], r[1]) for r in session.execute(query.limit(limit + 1))]
    if len(rows) <= limit:
        return Page(rows, None)
    last_row = rows[limit - 1].observation
    key = (last_row.night, last_row.id)
    return Page(rows[:limit], cursor_of("observations", key))


def find_observation(session: Session, observation_id: str) -> FoundObservation | None:
    """Return one image with what became of it."""
    query = (
        select(Observation, PreprocessRun)
        .outerjoin(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(Observation.id == observation_id)
    )
    row = session.execute(query).first()
    return None if row is None else FoundObservation(row[0], row[1])


def survey_counts(session: Session) -> list[SurveyCount]:
    """Return all surveys by name, with how many images they have."""
    night = func.nullif(Observation.night, "")
    counts = (
        select(
            Observation.survey,
            func.count().label("n"),
            func.min(night).label("first"),
            func.max(night).label("last"),
        )
        .group_by(Observation.survey)
        .subquery()
    )
    query = (
        select(Survey, counts.c.n, counts.c.first, counts.c.last)
        .outerjoin(counts, counts.c.survey == Survey.name)
        .order_by(Survey.name)
    )
    return [SurveyCount(r[0], r[1] or 0, r[2], r[3]) for r in session.execute(query)]
