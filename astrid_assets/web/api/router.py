"""All of the API in one router, and the OpenAPI document that describes it."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Security
from fastapi.security import HTTPBearer

from astrid_assets.web.api import (
    browse,
    cutouts,
    detections,
    lineage,
    ml,
    ml_deployment,
    ml_evaluation,
    reviewing,
    sky,
    training,
)
from astrid_assets.web.known_parameters import only_known_parameters
from astrid_assets.web.problems import responses
from astrid_assets.web.security import reader

BEARER = HTTPBearer(auto_error=False, description="`astrid reviewer token NAME`")


def api_router(*, needs_login: bool) -> APIRouter:
    """Return the routes of the API.

    Who may not read gets 401 everywhere but at ``/health`` and ``/session``; who may
    not write is refused by the operations that do.

    Parameters
    ----------
    needs_login
        Whether the document says that a token is needed.
    """
    router = APIRouter()
    router.include_router(browse.health_router)
    router.include_router(reviewing.session_router)
    guards = [Depends(reader)]
    if needs_login:
        guards.append(Security(BEARER))
    guards.append(Depends(only_known_parameters))
    closed = APIRouter(dependencies=guards, responses=responses(401, 403, 422, 429, 503))
    learning = (training, ml, ml_evaluation, ml_deployment)
    for part in (browse, detections, cutouts, sky, lineage, *learning, reviewing):
        closed.include_router(part.router)
    router.include_router(closed)
    return router
