"""Who is asking, and whether they may: logins, tokens, and where requests come from.

On this machine's loopback address everybody may read and write under a name of their
own choice, unless a login is required; bound elsewhere, a login or an API token is
needed (`WebSettings.needs_login`). Secrets travel in the ``Authorization`` header or
in an HttpOnly cookie, never in an address, so they appear in no log.

Other sites cannot write through a visitor's browser: `origin` refuses their requests,
cookies are SameSite, and forms carry a token besides. Guessing is slowed down by
`login_limits`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastapi import Request  # noqa: TC002  FastAPI reads the annotation

from astrid_assets.storage.review import accounts
from astrid_assets.web.origin import is_loopback
from astrid_assets.web.problems import Problem
from astrid_assets.web.state import WebState, state_of

if TYPE_CHECKING:
    from starlette.responses import Response

    from astrid_assets.storage.database.tables.review import Reviewer
    from astrid_assets.web.login_limits import LoginLimiter

SESSION_COOKIE = "astrid_session"
NAME_COOKIE = "astrid_name"
CSRF_COOKIE = "astrid_csrf"
CSRF_HEADER = "x-csrf-token"
NAME_HEADER = "astrid-reviewer"
LOCAL_NAME = "local"


@dataclass(frozen=True)
class Person:
    """Who is asking; ``how``: token | session | local (a name on this machine)."""

    name: str
    role: str
    how: Literal["token", "session", "local"]

    def may(self, role: str) -> bool:
        """Return whether they may do what this role may."""
        return accounts.ROLES.index(self.role) >= accounts.ROLES.index(role)


def visitor(request: Request) -> Person | None:
    """Return who is asking, None for an anonymous user where a login is needed.

    Raises
    ------
    Problem
        401 for a token or name that cannot be used.
    """
    state = state_of(request)
    header = request.headers.get("authorization")
    if header is not None:
        return _by_token(state, header)
    secret = request.cookies.get(SESSION_COOKIE)
    if secret:
        with state.catalogue.read() as session:
            found = accounts.by_session(session, secret)
        if found is not None:
            return Person(found.name, found.role, "session")
    if state.settings.needs_login:
        return None
    return _local(request, state)


def has_login(request: Request) -> bool:
    """Return whether a request comes with a login or an API token that is in force."""
    if "authorization" not in request.headers and not request.cookies.get(SESSION_COOKIE):
        return False
    try:
        person = visitor(request)
    except Problem:
        return False
    return person is not None and person.how != "local"


def reader(request: Request) -> Person | None:
    """Return who reads (a dependency of what only shows things).

    Raises
    ------
    Problem
        401 where anonymous users may not even read.
    """
    person = visitor(request)
    if person is None and not state_of(request).settings.public_reading:
        raise login_needed()
    return person


def current_reviewer(request: Request) -> Person:
    """Return who labels (a dependency of what writes).

    Raises
    ------
    Problem
        401 for an anonymous user, 403 for somebody who may only read.
    """
    return _with_role(request, "reviewer")


def current_admin(request: Request) -> Person:
    """Return who starts work for everybody; on loopback without logins anybody."""
    person = visitor(request)
    if person is not None and person.how == "local":
        return person
    return _with_role(request, "admin")


def log_in(request: Request, response: Response, name: str, password: str) -> Person:
    """Check a password and put the login's cookie on the response.

    Raises
    ------
    Problem
        401 for a wrong name or password, 429 after too many, 403 over plain HTTP.
    """
    state = state_of(request)
    address = request.client.host if request.client else ""
    if request.url.scheme != "https" and not is_loopback(address):
        raise Problem(
            403,
            "passwords are taken over HTTPS only: put a proxy with a certificate in "
            "front of AstrID, or use an SSH tunnel to its loopback address",
            code="https-needed",
        )
    limiter: LoginLimiter = request.app.state.logins
    limiter.attempt(name, address)
    with limiter.hashing, state.catalogue.read() as session:
        found = accounts.by_password(session, name, password)
    if found is None:
        raise Problem(401, "name and password do not belong together", code="wrong-password")
    limiter.succeeded(name, address)
    with state.catalogue.begin() as session:
        secret = accounts.new_session(session, found.name)
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=int(accounts.SESSION_LIFE.total_seconds()),
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",
    )
    return Person(found.name, found.role, "session")


def log_out(request: Request, response: Response) -> None:
    """End the login of the request's cookie."""
    secret = request.cookies.get(SESSION_COOKIE)
    if secret:
        with state_of(request).catalogue.begin() as session:
            accounts.end_session(session, secret)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")


def set_local_name(request: Request, response: Response, name: str) -> None:
    """Remember the name somebody labels under, where no login is needed.

    Raises
    ------
    Problem
        422 for no name, 403 for the name of an account.
    """
    _usable_name(state_of(request), name)
    response.set_cookie(
        NAME_COOKIE,
        name,
        max_age=int(accounts.SESSION_LIFE.total_seconds()),
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="strict",
    )


def csrf_token(request: Request, response: Response) -> str:
    """Return the token for the forms of a page, setting its cookie where needed."""
    secret = request.cookies.get(CSRF_COOKIE)
    if not secret or len(secret) < 32:
        secret = secrets.token_urlsafe(32)
        response.set_cookie(
            CSRF_COOKIE,
            secret,
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="strict",
        )
    return _form_token(request, secret)


def check_csrf(request: Request, token: str | None) -> None:
    """Raise Problem 403 unless a form's token (or header) is the visitor's own."""
    secret = request.cookies.get(CSRF_COOKIE)
    given = token or request.headers.get(CSRF_HEADER) or ""
    expected = _form_token(request, secret) if secret else ""
    if not secret or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Problem(
            403,
            "this form is too old or comes from elsewhere: reload the page and send it again",
            code="bad-form",
        )


def login_needed() -> Problem:
    """Return the problem of an anonymous user."""
    return Problem(
        401,
        "log in, or send an API token as `Authorization: Bearer …` (`astrid reviewer "
        "token NAME` makes one)",
        code="login-needed",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _with_role(request: Request, role: str) -> Person:
    person = visitor(request)
    if person is None:
        raise login_needed()
    if not person.may(role):
        raise Problem(
            403,
            f"{person.name} is {person.role} here; this takes the role {role}",
            code="not-allowed",
        )
    return person


def _by_token(state: WebState, header: str) -> Person:
    kind, _, token = header.partition(" ")
    found: Reviewer | None = None
    if kind.lower() == "bearer" and token.strip():
        with state.catalogue.read() as session:
            found = accounts.by_token(session, token.strip())
    if found is None:
        raise Problem(
            401,
            "this API token is unknown, has expired or was revoked",
            code="bad-token",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    return Person(found.name, found.role, "token")


def _local(request: Request, state: WebState) -> Person:
    name = request.headers.get(NAME_HEADER) or request.cookies.get(NAME_COOKIE)
    if name is None:
        return Person(LOCAL_NAME, "reviewer", "local")
    _usable_name(state, name)
    return Person(name, "reviewer", "local")


def _usable_name(state: WebState, name: str) -> None:
    if not accounts.NAME.fullmatch(name):
        raise Problem(
            422,
            "a name takes letters, digits, spaces and ._@-, 1 to 80 characters, and "
            "starts with a letter or digit",
            code="bad-name",
        )
    with state.catalogue.read() as session:
        taken = accounts.exists(session, name)
    if taken:
        raise Problem(
            403,
            f"{name} has an account here: log in, or take another name",
            code="name-taken",
        )


def _form_token(request: Request, secret: str) -> str:
    # Bound to the login, so that a token from before it is worth nothing after it.
    login = request.cookies.get(SESSION_COOKIE, "")
    return hmac.new(secret.encode(), login.encode(), hashlib.sha256).hexdigest()
