"""Logging in and out, with forms that no other site can send."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from astrid_assets.web.pages.templating import page_with_form
from astrid_assets.web.problems import Problem
from astrid_assets.web.security import check_csrf, log_in, log_out
from astrid_assets.web.texts import PlainText  # noqa: TC001  FastAPI reads the annotations

router = APIRouter()

MAX_ADDRESS = 16384  # characters of a page's own path; the server takes no longer ones


@router.get("/login")
def login_page(
    request: Request, then: Annotated[PlainText, Query(max_length=MAX_ADDRESS)] = "/"
) -> Response:
    """Ask for name and password."""
    return page_with_form(request, "login.html", then=_own(then), problem="")


@router.post("/login")
def submit_login(
    request: Request,
    name: Annotated[PlainText, Form(max_length=80)],
    password: Annotated[PlainText, Form(max_length=1000)],
    csrf: Annotated[PlainText, Form(max_length=200)],
    then: Annotated[PlainText, Form(max_length=MAX_ADDRESS)] = "/",
) -> Response:
    """Check them; a refused login shows the form again with the reason."""
    check_csrf(request, csrf)
    answer = RedirectResponse(_own(then), status_code=303)
    try:
        log_in(request, answer, name, password)
    except Problem as problem:
        refused = page_with_form(
            request,
            "login.html",
            problem.status,
            then=_own(then),
            problem=problem.detail,
        )
        refused.headers.update(problem.headers)
        return refused
    return answer


@router.post("/logout")
def submit_logout(request: Request, csrf: Annotated[PlainText, Form(max_length=200)]) -> Response:
    """End the login."""
    check_csrf(request, csrf)
    answer = RedirectResponse("/", status_code=303)
    log_out(request, answer)
    return answer


def _own(then: str) -> str:
    """Keep to pages of this application: an address elsewhere becomes the front."""
    is_own = then.startswith("/") and not then.startswith(("//", "/\\"))
    return then if is_own and "\\" not in then and then.isprintable() else "/"
