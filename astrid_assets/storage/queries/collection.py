"""What a collection asks beyond labels: stated confidence, survey scores, the unreviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.learning import SurveyScore
from astrid_assets.storage.database.tables.nights import GateVerdict
from astrid_assets.storage.database.tables.review import Label, ValidationEvent, VoteRow
from astrid_assets.storage.queries.detection_rows import BY_TIME, DetectionRow, select_detections
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

TRAINABLE = ("real", "bogus")


def reviewer_confidences(session: Session, detection_ids: Collection[str]) -> dict[str, float]:
    """Return the mean confidence that the reviewers behind each label stated, where any did.

    Counted are standing votes from the label's source that agree with it.
    """
    found: dict[str, float] = {}
    for chunk in in_chunks(detection_ids):
        query = (
            select(VoteRow.detection_id, func.avg(ValidationEvent.confidence))
            .join(ValidationEvent, ValidationEvent.sequence == VoteRow.sequence)
            .join(Label, Label.detection_id == VoteRow.detection_id)
            .where(
                VoteRow.detection_id.in_(chunk),
                VoteRow.label == Label.label,
                VoteRow.source == Label.source,
                ValidationEvent.confidence.is_not(None),
            )
            .group_by(VoteRow.detection_id)
        )
        found |= {row[0]: float(row[1]) for row in session.execute(query)}
    return found


def survey_scored(
    session: Session,
    surveys: Collection[str] | None,
    start: str | None,
    end: str | None,
) -> list[tuple[DetectionRow, float]]:
    """Return current detections without a label that have a score of their own survey."""
    query = (
        select_detections(SurveyScore.score)
        .join(SurveyScore, SurveyScore.detection_id == Detection.id)
        .where(~_is_labelled(), ~_is_blocked(), *_selected(surveys, start, end))
        .order_by(*BY_TIME)
    )
    return [(DetectionRow(*row[:-1]), float(row[-1])) for row in session.execute(query)]


def unreviewed(
    session: Session,
    surveys: Collection[str] | None,
    start: str | None,
    end: str | None,
) -> list[DetectionRow]:
    """Return current detections that nobody labelled, of objects that nobody called real."""
    of_object = (
        select(Detection.object_id)
        .join(Label, Label.detection_id == Detection.id)
        .where(Label.label != "bogus", Detection.object_id.is_not(None))
    )
    query = (
        select_detections()
        .where(
            ~_is_labelled(any_label=True),
            ~_is_blocked(),
            Detection.object_id.is_(None) | Detection.object_id.not_in(of_object),
            *_selected(surveys, start, end),
        )
        .order_by(*BY_TIME)
    )
    return [DetectionRow(*row) for row in session.execute(query)]


def _is_labelled(*, any_label: bool = False) -> ColumnElement[bool]:
    conditions = [Label.detection_id == Detection.id]
    if not any_label:
        conditions.append(Label.label.in_(TRAINABLE))
    return exists().where(*conditions)


def _is_blocked() -> ColumnElement[bool]:
    """Say whether a gate blocks the night of a detection."""
    return exists().where(
        GateVerdict.survey == Detection.survey,
        GateVerdict.night == Detection.night,
        GateVerdict.asset.in_(NIGHTLY_ASSETS),
        GateVerdict.holds_back,
        ~GateVerdict.passed,
    )


def _selected(
    surveys: Collection[str] | None, start: str | None, end: str | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if surveys is not None:
        conditions.append(Detection.survey.in_(list(surveys)))
    if start is not None:
        conditions.append(Detection.night >= start)
    if end is not None:
        conditions.append(Detection.night <= end)
    return conditions
