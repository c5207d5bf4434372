"""Who is asking, and whether they may: logins, tokens, and where requests come from.

On this machine's loopback address everybody may read and write under a name of their
own choice, unless a login is required; bound elsewhere, a login or an API token is
needed (`WebSettings.needs_login`). Secrets travel in the ``Authorization`` header or
in an HttpOnly cookie, never in an address, so they appear in no log.

Other sites cannot write through a visitor's browser: `SameOrigin` refuses unsafe
requests that a browser marks as coming from elsewhere (fetch metadata, else Origin),
cookies are SameSite, and forms carry a token besides. Names with a dot are refused on
the loopback address: they are somebody's domain that was pointed at this machine.

References
----------
OWASP, Cross-Site Request Forgery Prevention Cheat Sheet (fetch metadata);
OWASP, Password Storage Cheat Sheet (scrypt).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from fastapi import Request  # noqa: TC002  FastAPI reads the annotation
from starlette.datastructures import Headers

from astrid_assets.storage import accounts
from astrid_assets.web.problems import Problem
from astrid_assets.web.state import WebState, state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from astrid_assets.storage.tables import Reviewer

SESSION_COOKIE = "astrid_session"
NAME_COOKIE = "astrid_name"
CSRF_COOKIE = "astrid_csrf"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
NAME_HEADER = "astrid-reviewer"
LOCAL_NAME = "local"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

MAX_FAILURES_PER_NAME = 10
MAX_FAILURES_PER_ADDRESS = 30
FAILURE_WINDOW_S = 15 * 60
MAX_REMEMBERED = 10_000  # names and addresses; beyond that the oldest are forgotten
HASHES_AT_ONCE = 2  # each takes 32 MiB and a tenth of a second


@dataclass(frozen=True)
class Person:
    """Who is asking; ``how``: token | session | local (a name on this machine)."""

    name: str
    role: str
    how: Literal["token", "session", "local"]

    def may(self, role: str) -> bool:
        """Return whether they may do what this role may."""
        return accounts.ROLES.index(self.role) >= accounts.ROLES.index(role)


@dataclass
class LoginLimiter:
    """Counts failed logins per name and per address; kept in memory."""

    clock: Callable[[], float] = time.monotonic
    _failures: dict[str, deque[float]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    hashing: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(HASHES_AT_ONCE)
    )

    def check(self, name: str, address: str) -> None:
        """Raise Problem 429 after too many failures."""
        with self._lock:
            for key, most in _keys(name, address):
                recent = self._recent(key)
                if len(recent) >= most:
                    wait = int(recent[0] + FAILURE_WINDOW_S - self.clock()) + 1
                    raise Problem(
                        429,
                        "too many failed logins; wait a quarter of an hour, or use an "
                        "API token",
                        code="too-many-logins",
                        headers={"Retry-After": str(wait)},
                    )

    def failed(self, name: str, address: str) -> None:
        """Count a failure."""
        with self._lock:
            for key, _ in _keys(name, address):
                self._recent(key).append(self.clock())
            while len(self._failures) > MAX_REMEMBERED:
                self._failures.pop(next(iter(self._failures)))

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name."""
        with self._lock:
            self._failures.pop(f"name {name}", None)

    def _recent(self, key: str) -> deque[float]:
        times = self._failures[key]
        while times and times[0] <= self.clock() - FAILURE_WINDOW_S:
            times.popleft()
        return times


def visitor(request: Request) -> Person | None:
    """Return who is asking, None for a stranger where a login is needed.

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


def reader(request: Request) -> Person | None:
    """Return who reads (a dependency of what only shows things).

    Raises
    ------
    Problem
        401 where strangers may not even read.
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
        401 for a stranger, 403 for somebody who may only read.
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
    if request.url.scheme != "https" and not _is_loopback(address):
        raise Problem(
            403,
            "passwords are taken over HTTPS only: put a proxy with a certificate in "
            "front of AstrID, or use an SSH tunnel to its loopback address",
            code="https-needed",
        )
    limiter: LoginLimiter = request.app.state.logins
    limiter.check(name, address)
    with limiter.hashing, state.catalogue.read() as session:
        found = accounts.by_password(session, name, password)
    if found is None:
        limiter.failed(name, address)
        raise Problem(
            401, "name and password do not belong together", code="wrong-password"
        )
    limiter.succeeded(name)
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
            "this form is too old or comes from elsewhere: reload the page and send it "
            "again",
            code="bad-form",
        )


def login_needed() -> Problem:
    """Return the problem of a stranger."""
    return Problem(
        401,
        "log in, or send an API token as `Authorization: Bearer …` (`astrid reviewer "
        "token NAME` makes one)",
        code="login-needed",
        headers={"WWW-Authenticate": "Bearer"},
    )


class SameOrigin:
    """ASGI middleware: refuses other sites' writes and borrowed host names."""

    def __init__(self, app: ASGIApp, *, hosts: tuple[str, ...], loopback: bool) -> None:
        self.app = app
        self.hosts = hosts
        self.loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._host_is_ours(headers.get("host", "")):
            problem = Problem(
                400,
                "this server does not answer to that host name; list it in "
                "ASTRID_WEB_HOSTS when a proxy uses it",
                code="wrong-host",
            )
            await problem.response()(scope, receive, send)
            return
        if scope["method"] not in SAFE_METHODS and _is_foreign(headers):
            problem = Problem(
                403,
                "another site sent this request; nothing was changed",
                code="cross-site",
            )
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _host_is_ours(self, host: str) -> bool:
        name = _host_name(host)
        if name in self.hosts:
            return True
        if self.hosts and not self.loopback:
            return False
        return not self.loopback or "." not in name or _is_address(name)


def _is_foreign(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    # A test client has a name for an address.
    return not _is_address(address) or ipaddress.ip_address(address).is_loopback


def _with_role(request: Request, role: str) -> Person:
    person = visitor(request)
    if person is None:
        raise login_needed()
    if not person.may(role):
        raise Problem(
            403,
            f"{person.name} is {person.role} here; this takes a {role}",
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


def _keys(name: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    return (
        (f"name {name}", MAX_FAILURES_PER_NAME),
        (f"address {address}", MAX_FAILURES_PER_ADDRESS),
    )
