"""Queries on frozen dataset versions and their samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from astrid_assets.storage.database.tables.learning import TrainingDataset, TrainingSample

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def newest_dataset(session: Session) -> TrainingDataset | None:
    """Return the active version that was made last."""
    query = (
        select(TrainingDataset)
        .where(TrainingDataset.status == "active")
        .order_by(TrainingDataset.created_at.desc(), TrainingDataset.id)
    )
    return session.scalar(query.limit(1))


def dataset_named(session: Session, name: str) -> TrainingDataset | None:
    """Return the version of an id or content hash, or of the only one that begins so."""
    query = select(TrainingDataset).where(
        TrainingDataset.id.startswith(name, autoescape=True)
        | TrainingDataset.content_hash.startswith(name, autoescape=True)
    )
    found = list(session.scalars(query.limit(2)))
    return found[0] if len(found) == 1 else None


def all_datasets(session: Session) -> list[TrainingDataset]:
    """Return all versions, newest first."""
    query = select(TrainingDataset).order_by(TrainingDataset.created_at.desc(), TrainingDataset.id)
    return list(session.scalars(query))


def sample_page(
    session: Session,
    dataset_id: str,
    *,
    split: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> list[TrainingSample]:
    """Return samples of a version by id, beginning after one."""
    query = select(TrainingSample).where(TrainingSample.dataset_id == dataset_id)
    if split is not None:
        query = query.where(TrainingSample.split == split)
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
