"""What reviewers say, taken down: one event, and the views that follow from it.

Pages and the API save through `record_statement`. A repeated save (same reviewer, same
key) is the same event; an undo is an event of its own; nothing is changed or deleted.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from astrid_assets.science.labelling.classes import CLASSES
from astrid_assets.science.labelling.consensus import EVENTS, SOURCES
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.review import (
    ReviewItem,
    ReviewLease,
    ValidationEvent,
)
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.review.carrying import former_of
from astrid_assets.storage.review.labels import append_events
from astrid_assets.storage.review.positions import open_night
from astrid_assets.storage.review.shown_scores import was_shown
from astrid_assets.storage.review.views import refresh

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_NOTES = 2000  # characters
MAX_KEY = 38  # characters of the caller's key: a UUID, with room for a mark
UNDO_LEASE = dt.timedelta(hours=1)


class StatementRefused(ValueError):
    """A statement that makes no sense; the message is for the reviewer."""


class NoSuchDetection(StatementRefused):
    """A statement about nothing."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What one reviewer says about one detection.

    Attributes
    ----------
    event_key
        Chosen by the caller, new for each decision and the same for its retries.
    label
        real | bogus | unsure | skip | undo.
    classification
        A key of the label's `CLASSES`.
    confidence
        0 to 1.
    """

    event_key: str
    detection_id: str
    reviewer: str
    label: str
    classification: str | None = None
    confidence: float | None = None
    notes: str | None = None
    source: str = "person"


@dataclass(frozen=True)
class Recorded:
    """The event a statement became; `is_new` is False for a repeated save."""

    event: ValidationEvent
    is_new: bool


def record_statement(session: Session, statement: Statement, when: dt.datetime) -> Recorded:
    """Record a statement and bring the detection's views up to date.

    Raises
    ------
    NoSuchDetection
        If there is no detection of this id.
    StatementRefused
        If label, class, confidence, notes or key cannot be, or there is nothing to
        undo, or the key belongs to a statement about another detection.
    """
    _check(statement)
    detection = session.get(Detection, statement.detection_id)
    if detection is None:
        raise NoSuchDetection(f"there is no detection {statement.detection_id!r:.60}")
    key = f"{statement.reviewer}/{statement.event_key}"
    known = _event(session, key)
    if known is not None:
        if known.detection_id != detection.id:
            raise StatementRefused("this event key belongs to a statement about another one")
        return Recorded(known, is_new=False)
    undone = None
    if statement.label == "undo":
        undone = _last_said(session, statement)
        if undone is None:
            raise StatementRefused("there is nothing to undo")
    lease = session.get(ReviewLease, (detection.id, statement.reviewer))
    row = ValidationEvent(
        event_key=key,
        detection_id=detection.id,
        reviewer=statement.reviewer,
        source=statement.source,
        label=statement.label,
        classification=statement.classification,
        confidence=statement.confidence,
        notes=(statement.notes or "").strip() or None,
        model_id=detection.model_id,
        cutout_key=detection.cutout_key,
        cutout_index=detection.cutout_index,
        drawn_as=lease.drawn_as if lease else None,
        score_seen=_has_seen_the_score(session, statement, lease),
        created_at=when,
    )
    is_new = append_events(session, [row]) == 1
    if undone is not None:
        _lease_again(session, undone, detection.id, when)
    elif lease is not None:
        _release(session, detection.id, statement.reviewer)
    if session.get(ReviewItem, detection.id) is None:
        open_night(session, detection.survey, detection.night)
    refresh(session, [detection.id])
    event = _event(session, key)
    if event is None:
        raise RuntimeError(f"event {key} was written but is not there")
    return Recorded(event, is_new)


def _check(statement: Statement) -> None:
    if statement.label not in EVENTS:
        raise StatementRefused(
            f"{statement.label!r:.40} is no label; there are {', '.join(sorted(EVENTS))}"
        )
    if statement.source not in SOURCES:
        raise StatementRefused(f"{statement.source!r:.40} is no source of a label")
    names = CLASSES.get(statement.label, {})
    if statement.classification is not None and statement.classification not in names:
        raise StatementRefused(
            f"{statement.classification!r:.40} is no class of {statement.label}; "
            f"there are {', '.join(names) or 'none'}"
        )
    if statement.confidence is not None and not 0 <= statement.confidence <= 1:
        raise StatementRefused(f"confidence goes from 0 to 1, not {statement.confidence}")
    if len(statement.notes or "") > MAX_NOTES:
        raise StatementRefused(f"notes take {MAX_NOTES} characters")
    if not 0 < len(statement.event_key) <= MAX_KEY:
        raise StatementRefused(f"an event key has 1 to {MAX_KEY} characters")
    if not 0 < len(statement.reviewer) <= 80:
        raise StatementRefused("a reviewer's name has 1 to 80 characters")


def _event(session: Session, key: str) -> ValidationEvent | None:
    query = select(ValidationEvent).where(ValidationEvent.event_key == key)
    return session.scalar(query)


def _last_said(session: Session, statement: Statement) -> ValidationEvent | None:
    """Return the newest statement that counts at this detection, carried over or not."""
    table = ValidationEvent
    former = [
        row.detection_id
        for rows in former_of(session, [statement.detection_id]).values()
        for row in rows
    ]
    query = (
        select(table)
        .where(
            table.detection_id.in_([statement.detection_id, *former]),
            table.reviewer == statement.reviewer,
            table.source == statement.source,
            table.label != "undo",
        )
        .order_by(table.sequence.desc())
    )
    return session.scalar(query.limit(1))


def _has_seen_the_score(session: Session, statement: Statement, lease: ReviewLease | None) -> bool:
    """Say whether an answer comes after the score was shown: with the first answer, it is.

    Before that, the page of a detection or the API may have shown it. A repeat is asked for
    hours later and measures what the reviewer says again, unless it was undone as well.
    """
    if statement.label == "undo" or statement.source != "person":
        return False
    table = ValidationEvent
    before = session.scalars(
        select(table.label)
        .where(
            table.detection_id == statement.detection_id,
            table.reviewer == statement.reviewer,
            table.source == statement.source,
        )
        .order_by(table.sequence)
    ).all()
    if not before:
        return was_shown(session, statement.reviewer, statement.detection_id)
    return before[-1] == "undo" or lease is None or lease.drawn_as != "repeat"


def _lease_again(
    session: Session, undone: ValidationEvent, detection_id: str, when: dt.datetime
) -> None:
    """Give back what was undone, for the reason it was shown."""
    if undone.drawn_as is None:
        return
    row = ReviewLease(
        detection_id=detection_id,
        reviewer=undone.reviewer,
        drawn_as=undone.drawn_as,
        expires_on=when + UNDO_LEASE,
    )
    upsert(session, [row])


def _release(session: Session, detection_id: str, reviewer: str) -> None:
    session.execute(
        delete(ReviewLease).where(
            ReviewLease.detection_id == detection_id,
            ReviewLease.reviewer == reviewer,
        )
    )
