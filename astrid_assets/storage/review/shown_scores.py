"""Scores that the API or a page gave to a reviewer: an answer after that is not blind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.review import ShownScore
from astrid_assets.storage.database.upsert import upsert

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue


def note_shown(
    catalogue: Catalogue, reviewer: str, detection_ids: Collection[str], when: dt.datetime
) -> None:
    """Keep that a reviewer was given the scores of some detections; the first time stands."""
    with catalogue.read() as session:
        query = select(ShownScore.detection_id).where(
            ShownScore.reviewer == reviewer, ShownScore.detection_id.in_(detection_ids)
        )
        new = set(detection_ids) - set(session.scalars(query))
    if new:
        with catalogue.begin() as session:
            upsert(
                session,
                [
                    ShownScore(detection_id=id_, reviewer=reviewer, shown_at=when)
                    for id_ in sorted(new)
                ],
            )


def was_shown(session: Session, reviewer: str, detection_id: str) -> bool:
    """Return whether a reviewer was given the score of a detection."""
    return session.get(ShownScore, (detection_id, reviewer)) is not None
