"""Labels that are probably wrong go back to reviewers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from astrid_assets.storage.database.tables.review import ReviewItem
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review.views import refresh

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

ENOUGH_VOTES = 2
"""A label that so many reviewers gave is not asked for again: the pixels are strange."""


def ask_again(session: Session, detection_ids: Collection[str]) -> int:
    """Ask one more reviewer about these detections; returns how many are now waiting.

    One that a single reviewer decided wants a second vote; one that nobody looked at (its
    label came from a file or a simulation) stands first among the uncertain. Repeating it
    changes nothing.
    """
    again: list[str] = []
    waiting = 0
    for chunk in in_chunks(detection_ids):
        for item in session.scalars(select(ReviewItem).where(ReviewItem.detection_id.in_(chunk))):
            if item.queue == "closed" or item.n_votes >= ENOUGH_VOTES:
                continue
            waiting += 1
            if item.n_votes:
                again.append(item.detection_id)
            else:
                item.uncertainty = 0.0
    session.flush()
    for chunk in in_chunks(again):
        session.execute(
            update(ReviewItem)
            .where(ReviewItem.detection_id.in_(chunk), ReviewItem.votes_wanted < ENOUGH_VOTES)
            .values(votes_wanted=ENOUGH_VOTES)
        )
    session.expire_all()
    refresh(session, again)
    return waiting
