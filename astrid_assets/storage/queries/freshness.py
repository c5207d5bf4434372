"""Queries on when frames came, and which of them wait for a search."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  the fields of a dataclass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased

from astrid_assets.storage.database.tables.nights import NightSummary

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FRAMES, SEARCH = "raw_observations", "detections"


@dataclass(frozen=True)
class Waiting:
    """Nights that wait: how many, and since when the first; None without any."""

    n: int
    since: dt.datetime | None


def surveys_with_frames(session: Session) -> list[str]:
    """Return the surveys of which nights were ingested, by name."""
    query = select(NightSummary.survey).where(NightSummary.asset == FRAMES).distinct()
    return sorted(session.scalars(query))


def newest_frames_at(session: Session, survey: str) -> dt.datetime:
    """Return when frames of a survey last came or changed; it must have some.

    A night that is ingested again without a change keeps its time.
    """
    query = (
        select(NightSummary.finished_at)
        .where(NightSummary.survey == survey, NightSummary.asset == FRAMES)
        .order_by(NightSummary.finished_at.desc())
    )
    return session.scalars(query.limit(1)).one()


def nights_to_search(session: Session, survey: str) -> Waiting:
    """Return which nights of a survey were ingested and never searched."""
    searched = aliased(NightSummary)
    is_searched = exists().where(
        searched.survey == NightSummary.survey,
        searched.night == NightSummary.night,
        searched.asset == SEARCH,
    )
    query = select(func.count(), func.min(NightSummary.finished_at)).where(
        NightSummary.survey == survey, NightSummary.asset == FRAMES, ~is_searched
    )
    n, since = session.execute(query).one()
    return Waiting(n, since)
