"""Queries on searches for training settings and their trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from astrid_assets.storage.database.tables.learning import Search, SearchTrial

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def all_searches(session: Session) -> list[Search]:
    """Return all searches, the newest first."""
    return list(session.scalars(select(Search).order_by(Search.started_at.desc(), Search.id)))


def trial_counts(session: Session) -> dict[str, int]:
    """Return how many trials each search has begun, by its id."""
    query = select(SearchTrial.search_id, func.count()).group_by(SearchTrial.search_id)
    return {row[0]: row[1] for row in session.execute(query)}


def trials_of(session: Session, search_id: str) -> list[SearchTrial]:
    """Return the trials of a search in the order of their begin."""
    query = select(SearchTrial).where(SearchTrial.search_id == search_id)
    return list(session.scalars(query.order_by(SearchTrial.number)))


def newest_result(session: Session, dataset_id: str) -> Search | None:
    """Return the search on a dataset that has found its best settings last."""
    query = (
        select(Search)
        .where(Search.dataset_id == dataset_id, Search.completed_at.is_not(None))
        .order_by(Search.completed_at.desc(), Search.id)
    )
    return session.scalar(query.limit(1))


def newest_unfinished(session: Session, dataset_id: str) -> Search | None:
    """Return the search on a dataset begun last that was cut off, or ran out of time."""
    query = (
        select(Search)
        .where(Search.dataset_id == dataset_id)
        .where((Search.status != "completed") | Search.reason.is_not(None))
        .order_by(Search.started_at.desc(), Search.id)
    )
    return session.scalar(query.limit(1))
