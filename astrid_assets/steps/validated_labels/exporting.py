"""Labels to a file: every event with its detection's position and what was shown."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from sqlalchemy import and_, select

from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.review import FormerDetection, ValidationEvent
from astrid_assets.storage.review.carrying import NOT_CARRIED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astrid_assets.steps.validated_labels.files import FileRow, Value
    from astrid_assets.storage.database.catalogue import Catalogue

PAGE = 2000  # events read at once

EVENT_COLUMNS: dict[str, type] = {
    "event_key": str,
    "detection_id": str,
    "current_id": str,
    "name": str,
    "survey": str,
    "night": str,
    "ra_deg": float,
    "dec_deg": float,
    "reviewer": str,
    "source": str,
    "label": str,
    "classification": str,
    "confidence": float,
    "notes": str,
    "model_id": str,
    "cutout_key": str,
    "cutout_index": int,
    "drawn_as": str,
    "score_seen": bool,
    "created_at": str,
    "sequence": int,
}
"""Columns of an exported event; `current_id` is the detection that it counts at, where
that is another than the one that was judged."""


def exported_events(
    catalogue: Catalogue,
    *,
    surveys: Sequence[str] = (),
    sources: Sequence[str] = (),
    after_sequence: int = 0,
) -> Iterator[FileRow]:
    """Yield every event in its order, in pages: a long export holds no lock."""
    while True:
        query = (
            select(
                ValidationEvent,
                Detection.survey,
                Detection.night,
                CandidateRow.ra_deg,
                CandidateRow.dec_deg,
                FormerDetection.current_id,
                Detection.name,
            )
            .join(Detection, Detection.id == ValidationEvent.detection_id)
            .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
            .outerjoin(
                FormerDetection,
                and_(
                    FormerDetection.detection_id == Detection.id,
                    ValidationEvent.source.not_in(NOT_CARRIED),
                ),
            )
            .where(ValidationEvent.sequence > after_sequence)
            .order_by(ValidationEvent.sequence)
            .limit(PAGE)
        )
        if surveys:
            query = query.where(Detection.survey.in_(list(surveys)))
        if sources:
            query = query.where(ValidationEvent.source.in_(list(sources)))
        with catalogue.read() as session:
            found = session.execute(query).all()
        for event, *place in found:
            names = ("survey", "night", "ra_deg", "dec_deg", "current_id", "name")
            values = dict(zip(names, place, strict=True))
            yield {
                name: values[name] if name in values else _plain(getattr(event, name))
                for name in EVENT_COLUMNS
            }
            after_sequence = event.sequence
        if len(found) < PAGE:
            return


def _plain(value: object) -> Value:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return value  # type: ignore[return-value]  # columns hold plain values
