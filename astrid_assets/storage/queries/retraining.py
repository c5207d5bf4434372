"""Queries on collections, trainings, and what was decided about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from astrid_assets.storage.database.tables.learning import TrainingDataset, TrainingRun
from astrid_assets.storage.database.tables.retraining import (
    CollectionOutcome,
    RetrainingDecision,
)

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

COMPLETED = "completed"


def newest_trained(session: Session) -> TrainingDataset | None:
    """Return the dataset of the newest labels that any training was completed on."""
    query = (
        select(TrainingDataset)
        .where(TrainingDataset.id.in_(_trained()))
        .order_by(TrainingDataset.last_sequence.desc(), TrainingDataset.id)
    )
    return session.scalar(query.limit(1))


def newest_event_trained_on(session: Session, trained: TrainingDataset | None) -> int:
    """Return the newest event whose label a completed training could use; 0 before one.

    A collection of newer labels that found a known version has used them too.

    Parameters
    ----------
    trained
        What `newest_trained` returns.
    """
    if trained is None:
        return 0
    query = select(func.max(CollectionOutcome.last_sequence)).where(
        CollectionOutcome.dataset_id.in_(_trained())
    )
    return max(trained.last_sequence, session.scalar(query) or 0)


def last_training_begin(session: Session) -> dt.datetime | None:
    """Return when the newest training began."""
    return session.scalar(select(func.max(TrainingRun.started_at)))


def last_collection(session: Session) -> CollectionOutcome | None:
    """Return the newest collection of the graph."""
    query = select(CollectionOutcome).order_by(CollectionOutcome.sequence.desc())
    return session.scalar(query.limit(1))


def record_decision(session: Session, action: str, reason: str, when: dt.datetime) -> None:
    """Keep what a tick decided; one that repeats the last is counted there."""
    newest = session.scalar(_newest_first().limit(1))
    if newest is not None and (newest.action, newest.reason) == (action, reason):
        newest.n_ticks += 1
        newest.last_at = when
        return
    session.add(
        RetrainingDecision(action=action, reason=reason, n_ticks=1, first_at=when, last_at=when)
    )


def decisions(session: Session, limit: int) -> list[RetrainingDecision]:
    """Return the newest decisions, newest first."""
    return list(session.scalars(_newest_first().limit(limit)))


def _trained() -> Select[str]:
    return select(TrainingRun.dataset_id).where(TrainingRun.status == COMPLETED)


def _newest_first() -> Select[RetrainingDecision]:
    return select(RetrainingDecision).order_by(RetrainingDecision.sequence.desc())
