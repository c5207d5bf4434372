"""Tables of retraining: what collections came to, and what the sensor decided."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.storage.database.tables.base import Base, Json


class CollectionOutcome(Base, kw_only=True):
    """What one collection of the graph came to; only those with its default settings."""

    __tablename__ = "collection_outcomes"
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        init=False,
    )
    """Number of the collection; the larger, the newer."""
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    """Newest validation event before it began."""
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("training_datasets.id"), default=None)
    """The version that it made or found; None where there were too few labels for one."""
    lacking: Mapped[Json]
    """Labels that it lacked, by kind: real | bogus | any; empty where the gates passed it."""
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    """What it lacked, in a sentence; None where the gates passed it."""
    ended_at: Mapped[dt.datetime]
    """When it ended (UTC)."""


class RetrainingDecision(Base, kw_only=True):
    """What the retraining sensor decided; equal decisions in a row are one.

    ``action``: wait | train | would train (the dry run).
    """

    __tablename__ = "retraining_decisions"
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        init=False,
    )
    """Number of the decision; the larger, the newer."""
    action: Mapped[str] = mapped_column(String(20))
    """wait | train | would train."""
    reason: Mapped[str] = mapped_column(Text)
    """Why, in a sentence."""
    n_ticks: Mapped[int]
    """How many ticks in a row decided so."""
    first_at: Mapped[dt.datetime]
    """When the first of these ticks was (UTC)."""
    last_at: Mapped[dt.datetime]
    """When the last of them was (UTC)."""
