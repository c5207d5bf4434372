"""Opinions of models about the detections that they scored, by the rules of each survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.science.labelling.score_limits import score_limits
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.review.views import rules_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.science.labelling.score_limits import Opinion, ScoreLimits
    from astrid_assets.storage.queries.detection_rows import DetectionRow


def limits_of(session: Session, model: Model, survey: str) -> ScoreLimits:
    """Return from which scores on a model calls a survey's detections real, and bogus."""
    return score_limits(model.threshold, rules_of(session, survey).undecided_odds)


def models_and_limits(
    session: Session, rows: Sequence[DetectionRow]
) -> dict[str, tuple[Model, ScoreLimits]]:
    """Return the model that scored each detection and its limits there, by id.

    Those that are only ranked by S/N are left out.
    """
    ids = {row.model_id for row in rows if row.model_id is not None}
    models = {model.id: model for model in session.scalars(select(Model).where(Model.id.in_(ids)))}
    scored = {
        row.detection_id: (models[row.model_id], row.survey)
        for row in rows
        if row.score_kind == "model" and row.model_id in models
    }
    limits = {
        (model.id, survey): limits_of(session, model, survey) for model, survey in scored.values()
    }
    return {id_: (model, limits[model.id, survey]) for id_, (model, survey) in scored.items()}


def opinions_of(session: Session, rows: Sequence[DetectionRow]) -> dict[str, Opinion]:
    """Return what the score of each detection says, by id; without those ranked by S/N."""
    known = models_and_limits(session, rows)
    return {
        row.detection_id: known[row.detection_id][1].opinion(row.score)
        for row in rows
        if row.detection_id in known
    }
