"""The web application: the review page, pages to browse, and the REST API.

`create_app` makes one from its settings, without globals, so that tests and servers
may have several. Pages are in `pages`, the API in `api`; both read through `views`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from astrid_assets.storage.database.catalogue import now
from astrid_assets.web.api.description import describe
from astrid_assets.web.api.router import api_router
from astrid_assets.web.body_limit import BodyLimit
from astrid_assets.web.headers import SafeHeaders
from astrid_assets.web.login_limits import LoginLimiter
from astrid_assets.web.origin import SameOrigin
from astrid_assets.web.pages.browse import error_page
from astrid_assets.web.pages.router import pages_router
from astrid_assets.web.problems import install_problems
from astrid_assets.web.reading_limits import ReadingLimit, ReadingLimiter
from astrid_assets.web.state import open_state

if TYPE_CHECKING:
    from os import PathLike, stat_result

    from starlette.responses import Response
    from starlette.types import Scope

    from astrid_assets.web.settings import WebSettings
    from astrid_assets.web.state import Clock

STATIC = Path(__file__).parent / "static"


class StaticPages(StaticFiles):
    """Scripts and styles: a browser may keep them, and asks each time if they changed."""

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return the file, or that it did not change."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, no-cache"
        return response


def create_app(settings: WebSettings, clock: Clock = now) -> FastAPI:
    """Return the application for these settings.

    FastAPI's own documentation pages load scripts from elsewhere, so they are off.
    """
    app = FastAPI(
        title="AstrID",
        description="What changes in the sky: detections, labels, datasets.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.astrid = open_state(settings, clock)
    app.state.logins = LoginLimiter()
    app.state.reading = ReadingLimiter()
    app.add_middleware(BodyLimit)
    app.add_middleware(ReadingLimit)
    app.add_middleware(SameOrigin, hosts=settings.hosts, loopback=settings.is_loopback)
    app.add_middleware(SafeHeaders)
    install_problems(app)
    app.state.error_page = error_page
    app.mount("/static", StaticPages(directory=STATIC), name="static")
    app.include_router(api_router(needs_login=settings.needs_login))
    app.include_router(pages_router())
    describe(app)
    return app
