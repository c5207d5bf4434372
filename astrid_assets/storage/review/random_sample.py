"""Detections that reviewers were shown because of a random draw, for no other reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import aliased

from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.review import (
    FormerDetection,
    Label,
    ValidationEvent,
    VoteRow,
)
from astrid_assets.storage.queries.observations import BY_INDEX, in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

WORDS = ("real", "bogus")


def drawn_at_random(session: Session, detection_ids: Collection[str]) -> set[str]:
    """Return those of some detections that were drawn at random and judged blind.

    A draw of a former detection of the same source counts; a vote after the model's score
    was shown leaves its detection out.
    """
    found: set[str] = set()
    link = aliased(FormerDetection)
    counts_at = func.coalesce(link.current_id, ValidationEvent.detection_id)
    for chunk in in_chunks(detection_ids):
        drawn = (
            select(counts_at)
            .select_from(ValidationEvent)
            .outerjoin(link, link.detection_id == ValidationEvent.detection_id)
            .where(
                ValidationEvent.drawn_as == "random",
                or_(ValidationEvent.detection_id.in_(chunk), link.current_id.in_(chunk)),
            )
        )
        found |= set(session.scalars(drawn)) - _judged_after_the_score(session, chunk)
    return found & set(detection_ids)


@dataclass(frozen=True)
class RandomItem:
    """A detection of the random sample with its label.

    `draw`: number of the random draw that it was answered in, counted from 0.
    """

    detection_id: str
    object_id: str | None
    label: str
    draw: int


def count_draws(session: Session, after_sequence: int = 0) -> int:
    """Return how many answers to random draws came after an event, usable or not."""
    query = select(func.count()).where(
        ValidationEvent.drawn_as == "random", ValidationEvent.sequence > after_sequence
    )
    return session.scalar(query) or 0


def random_items(
    session: Session, after_sequence: int = 0, first: int = 0, stop: int | None = None
) -> list[RandomItem]:
    """Return labelled items of the random sample by their first draw, oldest first.

    Parameters
    ----------
    after_sequence
        Only items that were first answered after this event, whatever drew them then; draws
        are counted from there.
    first, stop
        Draws that are looked at; the last one is before `stop`, None: all.
    """
    draws: dict[str, int] = {}
    for draw, (detection_id, is_blind) in enumerate(
        session.execute(_draws(after_sequence, first, stop)), start=first
    ):
        if is_blind:
            draws.setdefault(detection_id, draw)
    items = []
    for chunk in in_chunks(draws, BY_INDEX):
        query = (
            select(Label.detection_id, Detection.object_id, Label.label, Label.source)
            .join(Detection, Detection.id == Label.detection_id)
            .where(Label.detection_id.in_(chunk))
        )
        seen = _judged_after_the_score(session, chunk)
        if after_sequence:
            query = query.where(*_first_answered_after(after_sequence))
        items += [
            RandomItem(id_, object_id, label, draws[id_])
            for id_, object_id, label, source in session.execute(query)
            # Asked of the database, it would read all labels of these words.
            if label in WORDS and source == "person" and id_ not in seen
        ]
    return sorted(items, key=lambda item: item.draw)


def _draws(after_sequence: int, first: int, stop: int | None) -> Select[str, bool]:
    """Return the question for draws: the detection that is current now, and whether it counts."""
    link = aliased(FormerDetection)
    # The draws are numbered in the index alone; what they are is read for those asked for.
    numbers = (
        select(ValidationEvent.sequence)
        .where(ValidationEvent.drawn_as == "random", ValidationEvent.sequence > after_sequence)
        .order_by(ValidationEvent.sequence)
        .offset(first)
        .limit(None if stop is None else stop - first)
        .subquery()
    )
    return (
        select(
            func.coalesce(link.current_id, ValidationEvent.detection_id),
            (ValidationEvent.source == "person") & ~ValidationEvent.score_seen,
        )
        .join(numbers, numbers.c.sequence == ValidationEvent.sequence)
        .outerjoin(link, link.detection_id == ValidationEvent.detection_id)
        .order_by(ValidationEvent.sequence)
    )


def _first_answered_after(sequence: int) -> tuple[ColumnElement[bool], ...]:
    """Return that no reviewer had answered on a label's detection, or a former one, by then."""
    link, event = aliased(FormerDetection), aliased(ValidationEvent)
    before = (event.sequence <= sequence) & (event.source == "person")
    own = exists().where(event.detection_id == Label.detection_id, before)
    former = exists().where(
        link.current_id == Label.detection_id, event.detection_id == link.detection_id, before
    )
    return ~own, ~former


def _judged_after_the_score(session: Session, detection_ids: Collection[str]) -> set[str]:
    """Return those of some detections that somebody voted on who had seen the score."""
    query = select(VoteRow.detection_id).where(
        VoteRow.detection_id.in_(detection_ids), VoteRow.score_seen
    )
    return set(session.scalars(query))
