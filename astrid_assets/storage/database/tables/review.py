"""Tables of reviewers, their answers, and the labels that follow from these."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.science.labelling.consensus import SOURCES
from astrid_assets.storage.database.tables.base import Base

SOURCE_IS_KNOWN = f"source IN ({', '.join(map(repr, SOURCES))})"
"""Where a label comes from is a type of its own: the database takes no other word."""


class ValidationEvent(Base):
    """What one reviewer said once; never changed, never deleted.

    ``source``: person | catalogue | truth | import.
    ``label``: real | bogus | unsure | skip | undo.
    ``event_key`` makes a retried save one event.
    """

    __tablename__ = "validation_events"
    __table_args__ = (
        CheckConstraint(SOURCE_IS_KNOWN, name="ck_validation_events_source"),
        Index("ix_validation_events_reviewer", "reviewer", "detection_id"),
    )
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    )
    event_key: Mapped[str] = mapped_column(String(120), unique=True)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), index=True)
    reviewer: Mapped[str] = mapped_column(String(80))
    source: Mapped[str] = mapped_column(String(20))
    label: Mapped[str] = mapped_column(String(20))
    classification: Mapped[str | None] = mapped_column(String(40))
    confidence: Mapped[float | None]
    notes: Mapped[str | None] = mapped_column(Text)
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    cutout_key: Mapped[str | None] = mapped_column(Text)
    cutout_index: Mapped[int | None]
    """What was on the screen, also after the night was made again; None: the label
    came without looking."""
    drawn_as: Mapped[str | None] = mapped_column(String(20))
    """Why it was shown: uncertain | unscored (no model says how certain it is) |
    random | disputed | second | repeat | gold; None: the reviewer came to it by
    themselves. Only ``random`` measures purity."""
    created_at: Mapped[dt.datetime]


class VoteRow(Base):
    """Each reviewer's statement that stands: a view of the events, kept for queries."""

    __tablename__ = "votes"
    __table_args__ = (Index("ix_votes_reviewer", "reviewer", "detection_id"),)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(20), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    label: Mapped[str] = mapped_column(String(20))
    """real | bogus | unsure"""
    classification: Mapped[str | None] = mapped_column(String(40))
    drawn_as: Mapped[str | None] = mapped_column(String(20))
    n_said: Mapped[int]
    """How often this reviewer has decided about it; above 1 after a repeat."""
    sequence: Mapped[int] = mapped_column(BigInteger)
    """Sequence number of the event that stands."""


class ReviewItem(Base):
    """A detection that reviewers may be asked about: a view of its votes, kept for the queue.

    ``queue``: new | sample (new, and of the random sample) | second (wants another
    vote) | disputed | retired (decided) | capped (disputed for good) | closed (no
    longer current, or its night is blocked).
    """

    __tablename__ = "review_items"
    __table_args__ = (
        Index("ix_review_items_uncertain", "queue", "uncertainty", "detection_id"),
        Index(
            "ix_review_items_survey_uncertain",
            *("queue", "survey", "uncertainty", "detection_id"),
        ),
        Index("ix_review_items_place", "queue", "detection_id"),
        Index("ix_review_items_survey_place", "queue", "survey", "detection_id"),
        Index("ix_review_items_gold", "gold_label", "detection_id"),
        Index("ix_review_items_night", "survey", "night"),
    )
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    survey: Mapped[str] = mapped_column(String(40))
    night: Mapped[str] = mapped_column(String(10))
    queue: Mapped[str] = mapped_column(String(12))
    uncertainty: Mapped[float | None]
    """Distance of the model's score from its threshold; None without a model."""
    is_sample: Mapped[bool]
    """Part of the random sample: by its id alone, and never drawn for another reason
    before its first vote."""
    votes_wanted: Mapped[int]
    n_votes: Mapped[int]
    gold_label: Mapped[str | None] = mapped_column(String(20))
    """What a simulation's truth or a catalogue says; reviewers are measured by it."""


class ReviewLease(Base):
    """What a reviewer has on the screen or in the hand, until it expires."""

    __tablename__ = "review_leases"
    __table_args__ = (Index("ix_review_leases_reviewer", "reviewer", "expires_on"),)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    drawn_as: Mapped[str] = mapped_column(String(20))
    expires_on: Mapped[dt.datetime]


class DrawnMask(Base):
    """A training mask as a reviewer drew it; never changed, the newest counts."""

    __tablename__ = "drawn_masks"
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    )
    event_key: Mapped[str] = mapped_column(String(120), unique=True)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), index=True)
    reviewer: Mapped[str] = mapped_column(String(80))
    bits: Mapped[str | None] = mapped_column(Text)
    """Base64 of one bit per pixel, row by row; None: back to the PSF's footprint."""
    created_at: Mapped[dt.datetime]


class Label(Base):
    """The consensus of a detection's events: a view, rewritten at will."""

    __tablename__ = "labels"
    __table_args__ = (CheckConstraint(SOURCE_IS_KNOWN, name="ck_labels_source"),)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    label: Mapped[str] = mapped_column(String(20), index=True)
    """real | bogus | disputed | unsure"""
    classification: Mapped[str | None] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(20))
    n_votes: Mapped[int]
    agreement: Mapped[float]
    last_sequence: Mapped[int] = mapped_column(BigInteger)


class Reviewer(Base):
    """A person with an account; ``role``: reader | reviewer | expert | admin."""

    __tablename__ = "reviewers"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(Text)
    """None: this person comes with tokens only."""
    is_active: Mapped[bool]
    created_at: Mapped[dt.datetime]


class ReviewerToken(Base):
    """An API token, as its hash; the token itself is shown once and kept nowhere."""

    __tablename__ = "reviewer_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reviewer: Mapped[str] = mapped_column(ForeignKey("reviewers.name"), index=True)
    purpose: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]


class ReviewerSession(Base):
    """A login in a browser, as the hash of its cookie."""

    __tablename__ = "reviewer_sessions"
    session_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reviewer: Mapped[str] = mapped_column(ForeignKey("reviewers.name"), index=True)
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
