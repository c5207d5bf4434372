"""The front page: the surveys and their newest nights."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from astrid_assets.storage.tables import Survey
from astrid_assets.web.pages.templating import page
from astrid_assets.web.state import WebState, state_of

router = APIRouter()


@router.get("/")
def front(request: Request, state: Annotated[WebState, Depends(state_of)]) -> Response:
    """Show what there is to look at."""
    with state.catalogue.read() as session:
        surveys = list(session.scalars(select(Survey.name).order_by(Survey.name)))
    return page(request, "home.html", surveys=surveys)
