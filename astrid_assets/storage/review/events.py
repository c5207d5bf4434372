"""What reviewers say, taken down: one event, and the views that follow from it.

Pages and the API save through `record_statement`. A repeated save (same reviewer, same
key) is the same event; an undo is an event of its own; nothing is changed or deleted.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import delete, literal, select

from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.labelling.classes import CLASSES
from astrid_assets.science.labelling.consensus import EVENTS, SOURCES
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.review import (
    DrawnMask,
    FormerDetection,
    ReviewItem,
    ReviewLease,
    ValidationEvent,
)
from astrid_assets.storage.database.upsert import insert_new, upsert
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review.carrying import former_of
from astrid_assets.storage.review.labels import append_events
from astrid_assets.storage.review.positions import open_night
from astrid_assets.storage.review.views import refresh

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    Mask = NDArray[np.uint8]

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


def draw_mask(
    session: Session,
    event_key: str,
    detection_id: str,
    reviewer: str,
    mask: Mask | None,
    when: dt.datetime,
) -> bool:
    """Keep the training mask a reviewer drew; returns False for a repeated save.

    Parameters
    ----------
    mask : (64, 64), not 0 where the thing is
        None goes back to the PSF's footprint.

    Raises
    ------
    NoSuchDetection
        If there is no detection of this id.
    StatementRefused
        If the mask has another shape or the key cannot be used.
    """
    if not 0 < len(event_key) <= MAX_KEY:
        raise StatementRefused(f"an event key has 1 to {MAX_KEY} characters")
    if session.get(Detection, detection_id) is None:
        raise NoSuchDetection(f"there is no detection {detection_id!r:.60}")
    if mask is not None and mask.shape != (CUTOUT_SIZE, CUTOUT_SIZE):
        raise StatementRefused(f"a mask has {CUTOUT_SIZE} rows and columns, not {mask.shape}")
    bits = None if mask is None else _bits_of(mask)
    row = DrawnMask(
        event_key=f"{reviewer}/{event_key}",
        detection_id=detection_id,
        reviewer=reviewer,
        bits=bits,
        created_at=when,
    )
    return bool(insert_new(session, [row], "event_key"))


def drawn_masks(session: Session, detection_ids: Collection[str]) -> dict[str, Mask]:
    """Return the newest mask of each detection that has a drawn one: (64, 64) of 0, 1.

    Whoever drew last is right: a later reviewer saw the earlier mask. One that was drawn
    on a former detection of the source is moved by the pixels between the two cutouts.
    """
    found: dict[str, tuple[str | None, tuple[int, int]]] = {}
    table = DrawnMask
    for chunk in in_chunks(detection_ids):
        own = select(table.detection_id, table.sequence, table.bits, literal(None)).where(
            table.detection_id.in_(chunk)
        )
        carried = (
            select(FormerDetection.current_id, table.sequence, table.bits, table.detection_id)
            .join(FormerDetection, FormerDetection.detection_id == table.detection_id)
            .where(FormerDetection.current_id.in_(chunk))
        )
        rows = [*session.execute(own), *session.execute(carried)]
        centres = _centres(session, {id_ for row in rows if row[3] for id_ in (row[0], row[3])})
        for id_, _, bits, former in sorted(rows, key=lambda row: row[1]):
            shift = (0, 0)
            if former is not None:
                (y, x), (now_y, now_x) = centres[former], centres[id_]
                shift = (y - now_y, x - now_x)
            found[id_] = (bits, shift)
    return {
        id_: _moved(mask_of(bits), shift)
        for id_, (bits, shift) in found.items()
        if bits is not None
    }


def _centres(session: Session, detection_ids: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return the pixel (y, x) that is in the middle of each detection's cutout."""
    return {
        row[0]: (round(row[1]), round(row[2]))
        for chunk in in_chunks(detection_ids)
        for row in session.execute(
            select(Detection.id, CandidateRow.y, CandidateRow.x)
            .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
            .where(Detection.id.in_(chunk))
        )
    }


def _moved(mask: Mask, shift: tuple[int, int]) -> Mask:
    """Return a mask moved by whole pixels (y, x); 0 where nothing was drawn."""
    moved = np.zeros_like(mask)
    into = tuple(slice(max(s, 0), CUTOUT_SIZE + min(s, 0)) for s in shift)
    out_of = tuple(slice(max(-s, 0), CUTOUT_SIZE + min(-s, 0)) for s in shift)
    moved[into] = mask[out_of]
    return moved


def _bits_of(mask: Mask) -> str:
    return base64.b64encode(np.packbits(mask != 0).tobytes()).decode()


def mask_of(bits: str) -> Mask:
    """Return the mask behind its base64 text.

    Raises
    ------
    StatementRefused
        If it is no base64 of 4096 bits.
    """
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError) as error:
        raise StatementRefused("a mask is the base64 of one bit per pixel") from error
    if packed.size * 8 != CUTOUT_SIZE**2:
        raise StatementRefused(f"a mask has {CUTOUT_SIZE**2} bits, this one {packed.size * 8}")
    return np.unpackbits(packed).reshape(CUTOUT_SIZE, CUTOUT_SIZE)


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

    A repeat is asked for hours later and measures what the reviewer says again, unless it
    was undone as well.
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
        return False
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
