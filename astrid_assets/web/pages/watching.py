"""Pages of what is watched: drift and health of a model, with plots; all of the last health."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Request, Response

from astrid_assets.pictures.drift_plots import NightPoint, drift_plot
from astrid_assets.pictures.evaluation_plots import Bar, reliability_plot
from astrid_assets.pictures.health_plots import HealthPoint, health_plot
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.steps.learning.watching.night import REFERENCE_NIGHTS
from astrid_assets.steps.learning.watching.random_look import newest_random
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
SHOWN_WEEKS = 52
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
        measured = watching.surveys_with_health(session, model_id)
        health = watching.health_of_model(session, model_id, SHOWN_NUMBERS)
    limits = RetrainingSettings()
    return page(
        request,
        "model_nights.html",
        model=model,
        nights=nights,
        measured=measured,
        health=health,
        limit=limits.drift_effect,
        least=limits.drift_candidates,
        reference=REFERENCE_NIGHTS,
    )


@router.get("/browse/health")
def health_page(request: Request, state: State) -> Response:
    """Show the last measurement of models, surveys, labels and datasets."""
    with state.catalogue.read() as session:
        found = watching.newest_health(session)
        named = {
            row.model_id: session.get_one(Model, row.model_id) for row in found if row.model_id
        }
    return page(request, "health.html", health=found, models=named)


@router.get("/pictures/models/{model_id}/{survey}/health.png")
def health_picture(state: State, model_id: PlainText, survey: PlainText) -> Response:
    """Return the plot of a model's health on a survey, week by week."""
    with state.catalogue.read() as session:
        rows = {
            number: [
                HealthPoint(
                    row.measured_at.date().isoformat(),
                    row.n,
                    row.value,
                    row.low,
                    row.high,
                    row.limit,
                    row.passed,
                )
                for row in reversed(
                    watching.newest_of_health(session, model_id, survey, number, SHOWN_WEEKS)
                )
            ]
            for number in (*watching.ON_RANDOM_ITEMS, "ms_per_cutout")
        }
    rows = {number: points for number, points in rows.items() if points}
    if not rows:
        raise not_found("health", survey)
    return Response(health_plot(rows), media_type="image/png", headers=CHANGES)


@router.get("/pictures/models/{model_id}/{survey}/reliability.png")
def reliability_picture(state: State, model_id: PlainText, survey: PlainText) -> Response:
    """Return the reliability diagram of the newest random items."""
    from astrid_assets.learning.gate.health import LOOKS
    from astrid_assets.learning.metrics.reliability import BINS, reliability_of

    with state.catalogue.read() as session:
        model = session.get(Model, model_id)
        if model is None:
            raise not_found("model", model_id)
        look = newest_random(session, model, survey)
    if not look.n:
        raise not_found("labelled random item", survey)
    found = reliability_of(look.scores, look.labels, look.groups)
    edges = np.linspace(0, 1, BINS + 1)
    real, bogus = (
        np.histogram(look.scores[look.labels == is_real], edges)[0] for is_real in (True, False)
    )
    picture = reliability_plot(
        [
            (part.mean_score, Bar(part.real.value, part.real.low, part.real.high))
            for part in found.bins
        ],
        edges.tolist(),
        real.tolist(),
        bogus.tolist(),
        f"{len(look.labels)} random items"
        + ("" if look.look else f": few, the first look is at {LOOKS[0]}"),
    )
    return Response(picture, media_type="image/png", headers=CHANGES)


@router.get("/pictures/models/{model_id}/{survey}.png")
def drift_picture(state: State, model_id: PlainText, survey: PlainText) -> Response:
    """Return the plot of a survey's nights."""
    with state.catalogue.read() as session:
        rows = {
            number: [
                NightPoint(
                    row.night, row.median, row.median_low, row.median_high, row.effect, row.usual
                )
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
