"""A model as its page shows it: evaluations, and what to expect of the newest nights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.steps.learning.expected_mix import mix_of
from astrid_assets.storage.queries import models
from astrid_assets.storage.queries.model_lineage import ModelLineage, model_lineage
from astrid_assets.storage.review.score_opinions import limits_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.learning.prevalence import ExpectedNight
    from astrid_assets.storage.database.tables.learning import (
        Deployment,
        Model,
        ModelEvaluation,
        TrainingRun,
    )


@dataclass(frozen=True)
class NightLine:
    """The newest night of a survey that the model scored, and what to expect of it."""

    survey: str
    night: str
    expected: ExpectedNight


@dataclass(frozen=True)
class ModelView:
    """A model with its training, its evaluations (newest first), and its newest nights.

    `nights` is None where the model keeps no calibration, so that its scores cannot be
    turned to another share of real. `decisions` are those about its deployment, the newest
    first, each with its evidence card.
    """

    model: Model
    run: TrainingRun | None
    evaluations: list[ModelEvaluation]
    nights: list[NightLine] | None
    decisions: list[Deployment]
    lineage: ModelLineage


def model_view(session: Session, model: Model) -> ModelView:
    """Return a model with what was found out about it."""
    runs = {run.id: run for run in models.training_runs(session)}
    return ModelView(
        model,
        runs.get(model.training_run_id or ""),
        models.evaluations_of(session, model.id),
        newest_nights(session, model),
        models.decisions_about(session, model.id),
        model_lineage(session, model),
    )


def newest_nights(session: Session, model: Model) -> list[NightLine] | None:
    """Return the share of real and the purity to expect in the newest night of each survey."""
    if not model.metrics.get("calibration"):
        return None
    found = []
    for survey, night in models.newest_scored_nights(session, model.id):
        scores = [
            score
            for model_id, score in models.current_scores(session, survey, night)
            if model_id == model.id
        ]
        mix = mix_of(model, scores, limits_of(session, model, survey)) if scores else None
        if mix is not None and mix.expected is not None:
            found.append(NightLine(survey, night, mix.expected))
    return found
