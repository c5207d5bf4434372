"""Queries on frozen dataset versions and their samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from astrid_assets.storage.database.tables.learning import TrainingDataset, TrainingSample
from astrid_assets.storage.queries.dataset_states import ACTIVE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class AmbiguousDataset(ValueError):
    """The beginning of an id that several versions share."""


def newest_dataset(session: Session) -> TrainingDataset | None:
    """Return the version that became active last."""
    query = (
        select(TrainingDataset)
        .where(TrainingDataset.status == ACTIVE)
        .order_by(TrainingDataset.status_at.desc(), TrainingDataset.id)
    )
    return session.scalar(query.limit(1))


def all_datasets(
    session: Session, *, name: str | None = None, status: str | None = None
) -> list[TrainingDataset]:
    """Return all versions, newest first; or those of a name or in a state."""
    query = select(TrainingDataset).order_by(TrainingDataset.created_at.desc(), TrainingDataset.id)
    if name is not None:
        query = query.where(TrainingDataset.name == name)
    if status is not None:
        query = query.where(TrainingDataset.status == status)
    return list(session.scalars(query))


def find_dataset(session: Session, text: str) -> TrainingDataset | None:
    """Return the version whose id or content hash this is, or begins with it.

    Raises
    ------
    AmbiguousDataset
        If several begin with it.
    """
    start = text.lower()
    if not start:
        return None
    query = select(TrainingDataset).where(
        TrainingDataset.id.startswith(start, autoescape=True)
        | TrainingDataset.content_hash.startswith(start, autoescape=True)
    )
    found = list(session.scalars(query.limit(2)))
    if len(found) > 1:
        raise AmbiguousDataset(f"several datasets begin with {text!r}: give more of the id")
    return found[0] if found else None


def version_before(session: Session, row: TrainingDataset) -> TrainingDataset | None:
    """Return the version of the same name that was made before; None for the first."""
    query = (
        select(TrainingDataset)
        .where(
            TrainingDataset.name == row.name,
            TrainingDataset.id != row.id,
            TrainingDataset.created_at < row.created_at,
        )
        .order_by(TrainingDataset.created_at.desc(), TrainingDataset.id)
    )
    return session.scalar(query.limit(1))


def sample_page(
    session: Session,
    dataset_id: str,
    *,
    split: str | None = None,
    label: str | None = None,
    survey: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> list[TrainingSample]:
    """Return samples of a version by id, beginning after one."""
    query = select(TrainingSample).where(TrainingSample.dataset_id == dataset_id)
    if split is not None:
        query = query.where(TrainingSample.split == split)
    if label is not None:
        is_real = TrainingSample.labels["is_anomaly"].as_boolean()
        query = query.where(is_real.is_(label == "real"))
    if survey is not None:
        query = query.where(TrainingSample.metadata_["survey"].as_string() == survey)
    if after is not None:
        query = query.where(TrainingSample.id > after)
    return list(session.scalars(query.order_by(TrainingSample.id).limit(limit)))


def split_counts(session: Session, dataset_id: str) -> dict[str, int]:
    """Return how many samples each split of a version has."""
    query = (
        select(TrainingSample.split, func.count())
        .where(TrainingSample.dataset_id == dataset_id)
        .group_by(TrainingSample.split)
        .order_by(TrainingSample.split)
    )
    return {row[0]: row[1] for row in session.execute(query)}
