"""All pages in one router; none of them is part of the API's description."""

from __future__ import annotations

from fastapi import APIRouter

from astrid_assets.web.pages import browse, login, pictures, retraining, review, searches, watching

PARTS = (
    browse.router,
    login.router,
    review.router,
    pictures.router,
    searches.router,
    retraining.router,
    watching.router,
)


def pages_router() -> APIRouter:
    """Return the routes of all pages."""
    router = APIRouter(include_in_schema=False)
    for part in PARTS:
        router.include_router(part)
    return router
