"""The newest detections of a survey and where their cutouts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DifferenceRun,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class StoredCutout:
    """A detection, and where its cutouts are: the object key, and the index in that array."""

    detection_id: str
    survey: str
    night: str
    key: str
    index: int


def surveys_with_detections(session: Session) -> list[str]:
    """Return the surveys that have any, by name."""
    query = select(Detection.survey).distinct().order_by(Detection.survey)
    return list(session.scalars(query))


def newest_of_survey(session: Session, survey: str, most: int) -> list[StoredCutout]:
    """Return the current detections of a survey's newest nights, at most so many."""
    query = (
        select(
            Detection.id,
            Detection.survey,
            Detection.night,
            Detection.cutout_key,
            Detection.cutout_index,
        )
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
        .where(Detection.survey == survey, CandidateRow.is_current, DifferenceRun.is_current)
        .order_by(Detection.night.desc(), Detection.id)
        .limit(most)
    )
    return [StoredCutout(*row) for row in session.execute(query)]
