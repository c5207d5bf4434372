"""The page of a model's nights: how its scores and inputs have drifted, with plots."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from astrid_assets.pictures.drift_plots import NightPoint, drift_plot
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.steps.learning.watching.night import REFERENCE_NIGHTS
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.queries import watching
from astrid_assets.web.pages.templating import page
from astrid_assets.web.problems import not_found
from astrid_assets.web.security import reader
from astrid_assets.web.state import WebState, state_of
from astrid_assets.web.texts import PlainText  # noqa: TC001  FastAPI reads the annotations

router = APIRouter(dependencies=[Depends(reader)])

State = Annotated[WebState, Depends(state_of)]

SHOWN_NIGHTS = 60
SHOWN_NUMBERS = 100
CHANGES = {"Cache-Control": "private, no-cache"}
"""The plot changes with each night."""


@router.get("/browse/models/{model_id}/nights")
def nights_page(request: Request, state: State, model_id: PlainText) -> Response:
    """Show the drift of the nights that a model scored, survey by survey."""
    with state.catalogue.read() as session:
        model = session.get(Model, model_id)
        if model is None:
            raise not_found("model", model_id)
        nights = {
            survey: {
                number: watching.newest_drifts(session, survey, model_id, number, SHOWN_NIGHTS)
                for number in watching.NUMBERS
            }
            for survey in watching.surveys_of_model(session, model_id)
        }
        health = watching.health_of_model(session, model_id, SHOWN_NUMBERS)
    limits = RetrainingSettings()
    return page(
        request,
        "model_nights.html",
        model=model,
        nights=nights,
        health=health,
        limit=limits.drift_effect,
        least=limits.drift_candidates,
        reference=REFERENCE_NIGHTS,
    )


@router.get("/pictures/models/{model_id}/{survey}.png")
def drift_picture(state: State, model_id: PlainText, survey: PlainText) -> Response:
    """Return the plot of a survey's nights."""
    with state.catalogue.read() as session:
        rows = {
            number: [
                NightPoint(row.night, row.median, row.effect, row.usual)
                for row in reversed(
                    watching.newest_drifts(session, survey, model_id, number, SHOWN_NIGHTS)
                )
            ]
            for number in watching.NUMBERS
        }
    if not all(rows.values()):
        raise not_found("survey", survey)
    picture = drift_plot(rows, RetrainingSettings().drift_effect)
    return Response(picture, media_type="image/png", headers=CHANGES)
