"""The page of retraining: what the sensor decided, tick by tick, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from astrid_assets.storage.queries.retraining import decisions
from astrid_assets.web.pages.templating import page
from astrid_assets.web.security import reader
from astrid_assets.web.state import WebState, state_of

router = APIRouter(dependencies=[Depends(reader)])

State = Annotated[WebState, Depends(state_of)]

SHOWN = 200


@router.get("/browse/retraining")
def retraining_page(request: Request, state: State) -> Response:
    """Show the newest decisions about retraining, the newest first."""
    with state.catalogue.read() as session:
        found = decisions(session, SHOWN)
    return page(request, "retraining.html", decisions=found)
