"""Errors as users and programs read them: problem+json, one sentence each.

Every answer of the API that is no success has this form; a page shows the same
sentence (`app.state.error_page`). What is a fault of the program is logged with its
traceback and answered without it.

References
----------
RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from astrid_assets.storage.database.catalogue_errors import CatalogueUnavailable
from astrid_assets.storage.database.paging import BadCursor
from astrid_assets.storage.objects.store_errors import ObjectMissing, StoreError
from astrid_assets.surveys.profile import ProfileError
from astrid_assets.web.headers import HEADERS, UNLESS_SAID
from astrid_assets.web.texts import NO_NUL, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI, Request
    from pydantic_core import ErrorDetails
    from starlette.responses import Response

    ErrorPage = Callable[[Request, "Problem"], Response]

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_SHOWN = 80  # characters of a refused value that are repeated


class Problem(Exception):
    """An answer that is no success.

    Parameters
    ----------
    status
        HTTP status.
    detail
        A sentence for users: what was wrong and what to do.
    code
        A short stable word for programs; ``type`` of the problem is made of it.
    headers
        Headers of the answer.
    errors
        One (location, message) per refused part of the request.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str,
        headers: Mapping[str, str] | None = None,
        errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = _printable(detail)
        self.code = code
        self.headers = dict(headers or {})
        self.errors = tuple((_printable(where), message) for where, message in errors)

    def response(self) -> JSONResponse:
        """Return the answer."""
        content: dict[str, Any] = {
            "type": f"urn:astrid:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            content["errors"] = [
                {"where": where, "message": message} for where, message in self.errors
            ]
        return JSONResponse(content, self.status, headers=self.headers, media_type=MEDIA_TYPE)


class ProblemPart(BaseModel):
    """A refused part of a request."""

    where: str
    message: str


class ProblemDetails(BaseModel):
    """The body of every answer that is no success (RFC 9457)."""

    type: str = Field(examples=["urn:astrid:problem:not-found"])
    title: str
    status: int
    detail: str = Field(description="what was wrong and what to do, in a sentence")
    errors: list[ProblemPart] | None = None


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI states about an operation's problems."""
    return {
        status: {
            "model": ProblemDetails,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM_SCHEMA}}},
        }
        for status in statuses
    }


PROBLEM_SCHEMA = "#/components/schemas/ProblemDetails"


def not_found(what: str, identity: str) -> Problem:
    """Return the problem of something that is not there."""
    shown = identity if len(identity) <= MAX_SHOWN else identity[:MAX_SHOWN] + "…"
    return Problem(404, f"there is no {what} {shown!r}", code="not-found")


def install_problems(app: FastAPI) -> None:
    """Let the application answer every error as a problem.

    Where a browser asks for a page and ``app.state.error_page`` is set, that draws it.
    """

    def told(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status >= 500:
            # The path only: a query may hold what belongs in no log.
            log.error("%s %r: %s", request.method, request.url.path, error)
        return answer_to(request, problem)

    def failed(request: Request, error: Exception) -> Response:
        log.error("%s %r failed", request.method, request.url.path, exc_info=error)
        problem = Problem(
            500,
            "AstrID has a fault here; the server's log has the details",
            code="fault",
        )
        answer = answer_to(request, problem)
        # Starlette sends this one from outside of all middleware.
        answer.raw_headers.extend([*HEADERS, UNLESS_SAID])
        return answer

    for kind in (
        Problem,
        HTTPException,
        RequestValidationError,
        CatalogueUnavailable,
        StoreError,
        ProfileError,
        BadCursor,
    ):
        app.add_exception_handler(kind, told)
    app.add_exception_handler(Exception, failed)


def answer_to(request: Request, problem: Problem) -> Response:
    """Return a problem as a page where a browser asks for one, else as JSON."""
    draw: ErrorPage | None = getattr(request.app.state, "error_page", None)
    if draw is not None and _wants_page(request):
        return draw(request, problem)
    return problem.response()


def problem_of(error: Exception) -> Problem:
    """Return a known error as a problem; TypeError for others."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _http(error)
        case ObjectMissing():
            return Problem(
                404,
                "the catalogue names this file but the store does not hold it; make "
                "the night again with `astrid backfill --force`",
                code="object-missing",
            )
        case BadCursor():
            return Problem(422, str(error), code="bad-cursor")
        case CatalogueUnavailable() | StoreError() | ProfileError():
            return Problem(503, str(error), code="unavailable")
    raise TypeError(f"{type(error).__name__} is no known problem")


def _invalid(error: RequestValidationError) -> Problem:
    errors = tuple((".".join(map(str, found["loc"])), _message(found)) for found in error.errors())
    first = f"{errors[0][0]}: {errors[0][1]}" if errors else "it cannot be read"
    return Problem(422, f"the request was not understood: {first}", code="invalid", errors=errors)


def _message(error: ErrorDetails) -> str:
    """Return what pydantic says, in our words where its own show a pattern."""
    pattern = error.get("ctx", {}).get("pattern")
    is_text = error["type"] == "string_unicode" or pattern == NO_NUL
    return REFUSED if is_text else str(error["msg"])


def _printable(text: str) -> str:
    """Return a text that has UTF-8: a refused key of a body may be repeated."""
    return text.encode(errors="backslashreplace").decode()


def _http(error: HTTPException) -> Problem:
    sentences = {
        404: "there is nothing at this address",
        405: "this address does not take this method",
    }
    detail = str(error.detail)
    if detail == HTTPStatus(error.status_code).phrase:
        detail = sentences.get(error.status_code, detail)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return Problem(error.status_code, detail, code=code, headers=error.headers)


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
