"""Detections that reviewers were shown because of a random draw, for no other reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select
from sqlalchemy.orm import aliased

from astrid_assets.storage.database.tables.review import (
    FormerDetection,
    ValidationEvent,
    VoteRow,
)
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session


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
