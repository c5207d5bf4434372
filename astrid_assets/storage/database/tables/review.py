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
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.science.labelling.consensus import SOURCES
from astrid_assets.storage.database.tables.base import Base, Id

SOURCE_IS_KNOWN = f"source IN ({', '.join(map(repr, SOURCES))})"
"""Where a label comes from is a type of its own: the database takes no other word."""


class ValidationEvent(Base, kw_only=True):
    """What one reviewer said once; never changed, never deleted.

    ``source``: person | catalogue | truth | import.
    ``label``: real | bogus | unsure | skip | undo.
    ``event_key`` makes a retried save one event.
    """

    __tablename__ = "validation_events"
    __table_args__ = (
        CheckConstraint(SOURCE_IS_KNOWN, name="ck_validation_events_source"),
        Index("ix_validation_events_reviewer", "reviewer", "detection_id"),
        Index("ix_validation_events_drawn_as", "drawn_as", "sequence"),
    )
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        init=False,
    )
    """Number of the event; the larger, the newer."""
    event_key: Mapped[str] = mapped_column(String(120), unique=True)
    """Key that the client chose: a retried save with it stays one event."""
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), index=True)
    """The detection that was judged."""
    reviewer: Mapped[str] = mapped_column(String(80))
    """Name of the reviewer, or of the file that was imported."""
    source: Mapped[str] = mapped_column(String(20))
    """person | catalogue | truth | import."""
    label: Mapped[str] = mapped_column(String(20))
    """real | bogus | unsure | skip | undo."""
    classification: Mapped[str | None] = mapped_column(String(40), default=None)
    """Kind of source, such as ``supernova``; None where not stated."""
    confidence: Mapped[float | None] = mapped_column(default=None)
    """The reviewer's own certainty, 0 to 1; None where not stated."""
    notes: Mapped[str | None] = mapped_column(Text, default=None)
    """Free text of the reviewer."""
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"), default=None)
    """The model whose score ordered the queue at the time; None without a model."""
    cutout_key: Mapped[str | None] = mapped_column(Text, default=None)
    """Object key of the cutouts that were shown."""
    cutout_index: Mapped[int | None] = mapped_column(default=None)
    """What was on the screen, also after the night was made again; None: the label
    came without looking."""
    drawn_as: Mapped[str | None] = mapped_column(String(20), default=None)
    """Why it was shown: uncertain | unscored (no model says how certain it is) |
    random | disputed | second | repeat | gold | confirm; None: the reviewer came to it
    by themselves. Only ``random`` measures purity."""
    score_seen: Mapped[bool] = mapped_column(default=False, server_default="0")
    """True where this reviewer had been shown the model's score: by an answer on the detection
    before, by its page, or by the API; repeats, asked for hours later, are not marked."""
    created_at: Mapped[dt.datetime]
    """When it was stored (UTC)."""


class VoteRow(Base, kw_only=True):
    """Each reviewer's statement that stands: a view of the events, kept for queries."""

    __tablename__ = "votes"
    __table_args__ = (Index("ix_votes_reviewer", "reviewer", "detection_id"),)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    """The detection that was judged."""
    source: Mapped[str] = mapped_column(String(20), primary_key=True)
    """person | catalogue | truth | import."""
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    """Name of the reviewer, or of the file that was imported."""
    label: Mapped[str] = mapped_column(String(20))
    """real | bogus | unsure"""
    classification: Mapped[str | None] = mapped_column(String(40), default=None)
    """Kind of source, such as ``supernova``; None where not stated."""
    drawn_as: Mapped[str | None] = mapped_column(String(20), default=None)
    """Why it was shown, as in the event."""
    n_said: Mapped[int]
    """How often this reviewer has decided about it; above 1 after a repeat."""
    sequence: Mapped[int] = mapped_column(BigInteger)
    """Sequence number of the event that stands."""
    carried_from: Mapped[str | None] = mapped_column(Id, default=None)
    """The former detection that was judged, where the vote is carried over; None: this one."""
    score_seen: Mapped[bool] = mapped_column(default=False, server_default="0")
    """Given after the model's score was shown: left out of purity, agreement, reliability."""


class FormerDetection(Base, kw_only=True):
    """The current detection of a source that an earlier run of its frame had detected too.

    A view of the detections, rewritten when they change: events stay where they were
    given, and count at the detection that is current now. Only of frames that
    reviewers, catalogues or imports have judged something on.
    """

    __tablename__ = "former_detections"
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    """The former detection, which no current run lists."""
    current_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), index=True)
    """The current detection on the same frame, of the same sign, within one FWHM."""
    distance_fwhm: Mapped[float]
    """Distance of the two, in FWHM of the frame's PSF."""
    snr_ratio: Mapped[float]
    """S/N of the current detection over that of the former."""
    doubt: Mapped[str | None] = mapped_column(String(20), default=None)
    """Why it may be another source: far | snr; None: no doubt."""


class ReviewItem(Base, kw_only=True):
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
    """The detection to ask about."""
    survey: Mapped[str] = mapped_column(String(40))
    """The survey that the detection belongs to."""
    night: Mapped[str] = mapped_column(String(10))
    """The night of the detection."""
    queue: Mapped[str] = mapped_column(String(12))
    """new | sample | second | disputed | retired | capped | closed."""
    uncertainty: Mapped[float | None] = mapped_column(default=None)
    """How far the odds of the model's score are from those of its threshold: 1 less the ratio
    of the smaller to the larger; None without a model."""
    is_sample: Mapped[bool]
    """Part of the random sample: by its id alone, and never drawn for another reason
    before its first vote."""
    votes_wanted: Mapped[int]
    """Votes that are needed to decide."""
    n_votes: Mapped[int]
    """Votes for real or bogus that it has."""
    gold_label: Mapped[str | None] = mapped_column(String(20), default=None)
    """What a simulation's truth or a catalogue says; reviewers are measured by it."""
    doubt: Mapped[str | None] = mapped_column(String(20), default=None)
    """Why answers that were carried over are asked for again: far | snr | contradictory;
    None: no doubt, or somebody has answered on this detection."""


class ReviewLease(Base, kw_only=True):
    """What a reviewer has on the screen or in the hand, until it expires."""

    __tablename__ = "review_leases"
    __table_args__ = (Index("ix_review_leases_reviewer", "reviewer", "expires_on"),)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    """The detection that was drawn."""
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    """Name of the reviewer who drew it."""
    drawn_as: Mapped[str] = mapped_column(String(20))
    """Why it was drawn, as the event will record it."""
    expires_on: Mapped[dt.datetime]
    """When others may draw it again (UTC)."""


class ShownScore(Base, kw_only=True):
    """The model's score of a detection was given to a reviewer, other than by an answer."""

    __tablename__ = "shown_scores"
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    """The detection whose score was given."""
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    """Name of the reviewer who asked for it."""
    shown_at: Mapped[dt.datetime]
    """When it was given for the first time (UTC)."""


class DrawnMask(Base, kw_only=True):
    """A training mask as a reviewer drew it; never changed, the newest counts."""

    __tablename__ = "drawn_masks"
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        init=False,
    )
    """Number of the mask; the larger, the newer."""
    event_key: Mapped[str] = mapped_column(String(120), unique=True)
    """Key that the client chose: a retried save with it stays one mask."""
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), index=True)
    """The detection whose cutout it covers."""
    reviewer: Mapped[str] = mapped_column(String(80))
    """Name of the reviewer who drew it."""
    bits: Mapped[str | None] = mapped_column(Text, default=None)
    """Base64 of one bit per pixel, row by row; None: back to the PSF's footprint."""
    created_at: Mapped[dt.datetime]
    """When it was stored (UTC)."""


class Label(Base, kw_only=True):
    """The consensus of a detection's events: a view, rewritten at will."""

    __tablename__ = "labels"
    __table_args__ = (
        CheckConstraint(SOURCE_IS_KNOWN, name="ck_labels_source"),
        Index("ix_labels_label_given", "label", "given_sequence"),
    )
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    """The detection that has the label."""
    label: Mapped[str] = mapped_column(String(20), index=True)
    """real | bogus | disputed | unsure"""
    classification: Mapped[str | None] = mapped_column(String(40), default=None)
    """Kind of source on which most votes agree; None where none was stated."""
    source: Mapped[str] = mapped_column(String(20))
    """person | catalogue | truth | import: whose votes decided."""
    n_votes: Mapped[int]
    """Votes for real or bogus from that source."""
    agreement: Mapped[float]
    """Share of the leading label among the weighted votes, 0.5 (a tie) to 1."""
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    """Number of the newest event that was taken into account."""
    given_sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """Number of the event that gave it this label; skips and votes that agree keep it."""
    carried_from: Mapped[str | None] = mapped_column(Id, default=None)
    """The former detection that the newest of its votes was given on; None: this one."""


class Reviewer(Base, kw_only=True):
    """A person with an account; ``role``: reader | reviewer | expert | admin."""

    __tablename__ = "reviewers"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    """Name that the reviewer logs in with."""
    role: Mapped[str] = mapped_column(String(20))
    """reader | reviewer | expert | admin."""
    password_hash: Mapped[str | None] = mapped_column(Text, default=None)
    """None: this person comes with tokens only."""
    is_active: Mapped[bool]
    """False: the account is closed; its events stay."""
    created_at: Mapped[dt.datetime]
    """When the account was made (UTC)."""


class ReviewerToken(Base, kw_only=True):
    """An API token, as its hash; the token itself is shown once and kept nowhere."""

    __tablename__ = "reviewer_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the token."""
    reviewer: Mapped[str] = mapped_column(ForeignKey("reviewers.name"), index=True)
    """The account that the token acts for."""
    purpose: Mapped[str] = mapped_column(String(120))
    """What the token is for, in the words of who made it."""
    created_at: Mapped[dt.datetime]
    """When it was made (UTC)."""
    expires_at: Mapped[dt.datetime | None] = mapped_column(default=None)
    """When it expires (UTC); None: never."""
    revoked_at: Mapped[dt.datetime | None] = mapped_column(default=None)
    """When it was revoked (UTC); None: it was not."""


class ReviewerSession(Base, kw_only=True):
    """A login in a browser, as the hash of its cookie."""

    __tablename__ = "reviewer_sessions"
    session_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the cookie."""
    reviewer: Mapped[str] = mapped_column(ForeignKey("reviewers.name"), index=True)
    """The account that is logged in."""
    created_at: Mapped[dt.datetime]
    """When the reviewer logged in (UTC)."""
    expires_at: Mapped[dt.datetime]
    """When the login ends (UTC)."""
