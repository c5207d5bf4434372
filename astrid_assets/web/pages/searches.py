"""Pages of searches for training settings: their trials, the best, and what mattered."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response

from astrid_assets.storage.queries import searches
from astrid_assets.web.pages.templating import page
from astrid_assets.web.problems import not_found
from astrid_assets.web.security import reader
from astrid_assets.web.state import WebState, state_of
from astrid_assets.web.texts import PlainText  # noqa: TC001  FastAPI reads the annotations
from astrid_assets.web.views.searches import search_pictures, search_view

router = APIRouter(dependencies=[Depends(reader)])

State = Annotated[WebState, Depends(state_of)]

CHANGES = {"Cache-Control": "private, no-cache"}
"""A picture of a search that goes on changes with each trial."""


@router.get("/browse/searches")
def searches_page(request: Request, state: State) -> Response:
    """Show the searches for settings, the newest first."""
    with state.catalogue.read() as session:
        found = searches.all_searches(session)
        counts = searches.trial_counts(session)
    return page(request, "searches.html", searches=found, counts=counts)


@router.get("/browse/searches/{search_id}")
def search_page(request: Request, state: State, search_id: PlainText) -> Response:
    """Show a search: its best settings, its trials, and pictures of them."""
    view = search_view(state.catalogue, search_id)
    if view is None:
        raise not_found("search", search_id)
    return page(request, "search.html", view=view)


@router.get("/pictures/searches/{search_id}/{name}.png")
def search_picture(
    state: State, search_id: PlainText, name: Literal["importance", "trials"]
) -> Response:
    """Return a picture of the trials as they are now."""
    pictures = search_pictures(state.catalogue, search_id)
    if name not in pictures:
        raise not_found("picture", name)
    return Response(pictures[name], media_type="image/png", headers=CHANGES)
