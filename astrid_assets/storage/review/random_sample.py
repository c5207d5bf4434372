"""Detections that reviewers were shown because of a random draw, for no other reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import case, exists, func, or_, select
from sqlalchemy.orm import aliased

from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.review import (
    FormerDetection,
    Label,
    ValidationEvent,
    VoteRow,
)
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement
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
        seen = select(VoteRow.detection_id).where(
            VoteRow.detection_id.in_(chunk), VoteRow.score_seen
        )
        found |= set(session.scalars(drawn)) - set(session.scalars(seen))
    return found & set(detection_ids)


@dataclass(frozen=True)
class RandomItem:
    """A detection of the random sample with its label.

    `sequence`: the first answer to it.
    """

    detection_id: str
    object_id: str | None
    label: str
    sequence: int


def random_items(session: Session, after_sequence: int = 0) -> list[RandomItem]:
    """Return labelled items of the random sample by their first answer, oldest first.

    Parameters
    ----------
    after_sequence
        Only items that were first answered after this event, whatever drew them then.
    """
    link = aliased(FormerDetection)
    current = func.coalesce(link.current_id, ValidationEvent.detection_id)
    first = (
        select(
            current.label("detection_id"),
            func.min(ValidationEvent.sequence).label("sequence"),
            func.max(_is_random()).label("is_random"),
        )
        .select_from(ValidationEvent)
        .outerjoin(link, link.detection_id == ValidationEvent.detection_id)
        .where(ValidationEvent.source == "person")
        .group_by(current)
        .having(func.min(ValidationEvent.sequence) > after_sequence)
        .subquery()
    )
    query = (
        select(Label.detection_id, Detection.object_id, Label.label, first.c.sequence)
        .join(first, first.c.detection_id == Label.detection_id)
        .join(Detection, Detection.id == Label.detection_id)
        .where(first.c.is_random == 1, *_may_judge())
        .order_by(first.c.sequence)
    )
    return [RandomItem(*row) for row in session.execute(query)]


def _may_judge() -> tuple[ColumnElement[bool], ...]:
    """Return what a label must be: a person's, and of nobody who had seen the score."""
    seen = exists().where(VoteRow.detection_id == Label.detection_id, VoteRow.score_seen)
    return Label.label.in_(WORDS), Label.source == "person", ~seen


def _is_random() -> ColumnElement[int]:
    is_one = (ValidationEvent.drawn_as == "random") & ~ValidationEvent.score_seen
    return case((is_one, 1), else_=0)
