"""Health, surveys and observations."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import text

from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.storage.queries import search_images as search
from astrid_assets.storage.queries.search_images import FoundObservation, ObservationFilter
from astrid_assets.web.api.common import (
    Band,
    Cursor,
    Field,
    FirstNight,
    LastNight,
    Limit,
    Night,
    ObservationId,
    State,
    SurveyName,
    night_text,
    reasons_of,
    text_id,
)
from astrid_assets.web.problems import not_found, responses
from astrid_assets.web.schemas import (
    Health,
    ObservationOut,
    PageOf,
    ProcessedOut,
    SurveyOut,
    Text,
)

health_router = APIRouter(tags=["service"])
router = APIRouter(tags=["observations"])


@health_router.get("/health", responses=responses(429, 503))
def health(state: State) -> Health:
    """Say whether the application and its catalogue answer."""
    with state.catalogue.read() as session:
        session.execute(text("SELECT 1 FROM surveys LIMIT 1"))
    return Health(
        status="ok",
        version=version("astrid-assets"),
        login_needed=state.settings.needs_login,
    )


@router.get("/surveys")
def surveys(state: State) -> list[SurveyOut]:
    """List the surveys with how many images they have."""
    with state.catalogue.read() as session:
        found = search.survey_counts(session)
    return [
        SurveyOut(
            name=item.survey.name,
            n_observations=item.n_observations,
            first_night=item.first_night,
            last_night=item.last_night,
            updated_at=item.survey.updated_at,
        )
        for item in found
    ]


@router.get("/observations", responses=responses(422))
def observations(
    state: State,
    survey: SurveyName = None,
    night: Night = None,
    start: FirstNight = None,
    end: LastNight = None,
    kind: Annotated[
        Text | None, Query(description="Only `light`, `bias`, `dark`, `flat` or `unknown`.")
    ] = None,
    status: Annotated[
        Text | None, Query(description="Only `registered` or only `rejected` images.")
    ] = None,
    field: Field = None,
    band: Band = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[ObservationOut]:
    """List images and what became of them, the newest night first."""
    wanted = ObservationFilter(
        survey=survey,
        night=night_text(night),
        start_night=night_text(start),
        end_night=night_text(end),
        kind=kind,
        status=status,
        field=field,
        band=band,
    )
    with state.catalogue.read() as session:
        page = search.search_observations(session, wanted, limit=limit, cursor=cursor)
    return PageOf(items=[_told(row) for row in page.rows], next=page.cursor)


@router.get("/observations/{observation_id}", responses=responses(404, 422))
def observation(state: State, observation_id: ObservationId) -> ObservationOut:
    """Return one image and what became of it."""
    with state.catalogue.read() as session:
        found = search.find_observation(session, text_id(observation_id))
    if found is None:
        raise not_found("observation", text_id(observation_id))
    return _told(found)


def _told(found: FoundObservation) -> ObservationOut:
    image, run = found.observation, found.run
    refused = reasons_of([image.reason])
    names = (
        "id",
        "survey",
        "night",
        "source_path",
        "kind",
        "field",
        "band",
        "observed_mjd",
        "exposure_s",
        "width",
        "height",
        "status",
    )
    processed = None
    if run is not None:
        measured = {
            name: getattr(run, name)
            for name in ProcessedOut.model_fields
            if name not in {"reasons", "flags", "numbers"}
        }
        processed = ProcessedOut(
            reasons=reasons_of(run.reasons),
            flags=reasons_of(run.flags),
            numbers={number.name: getattr(run, number.name) for number in FRAME_NUMBERS},
            **measured,
        )
    return ObservationOut(
        **{name: getattr(image, name) for name in names},
        refused_because=refused[0] if refused else None,
        processed=processed,
    )
