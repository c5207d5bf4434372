"""Who reads without a login gets so many requests per second, counted per address.

The budget of an address fills up again with time, so a page that loads all its
pictures at once is served. Reviewers who are logged in, programs with a token, and
users at this machine are not limited.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from astrid_assets.storage.database.catalogue_errors import CatalogueUnavailable
from astrid_assets.web.origin import is_loopback, network_of
from astrid_assets.web.problems import Problem, answer_to
from astrid_assets.web.security import has_login
from astrid_assets.web.state import state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

BURST = 2000  # the page of an object has 500 detections with three cutouts each
PER_S = 20.0  # 1200 a minute: a person looks at fewer cutouts
MAX_REMEMBERED = 10_000  # addresses; beyond that the one unseen for longest is forgotten


@dataclass
class ReadingLimiter:
    """A budget of requests per address, in memory."""

    clock: Callable[[], float] = time.monotonic
    burst: float = BURST
    per_s: float = PER_S
    _budgets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, address: str) -> None:
        """Take one request from the budget of an address; Problem 429 if it is used up."""
        network, now = network_of(address), self.clock()
        with self._lock:
            left, then = self._budgets.pop(network, (self.burst, now))
            left = min(self.burst, left + (now - then) * self.per_s)
            is_used_up = left < 1
            self._budgets[network] = (left if is_used_up else left - 1, now)
            if len(self._budgets) > MAX_REMEMBERED:
                self._budgets.popitem(last=False)
        if is_used_up:
            raise Problem(
                429,
                "too many requests without a login from your address; wait a moment, log in, "
                "or send an API token",
                code="too-many-requests",
                headers={"Retry-After": str(math.ceil((1 - left) / self.per_s))},
            )


class ReadingLimit:
    """ASGI middleware: refuses those without a login who used their budget up."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        if scope["type"] == "http":
            request = Request(scope)
            limiter: ReadingLimiter = request.app.state.reading
            try:
                if not await _is_free(request):
                    limiter.spend(request.client.host if request.client else "")
            except Problem as problem:
                await answer_to(request, problem)(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def _is_free(request: Request) -> bool:
    address = request.client.host if request.client else ""
    if not state_of(request).settings.needs_login and is_loopback(address):
        return True
    try:
        return await run_in_threadpool(has_login, request)
    except CatalogueUnavailable:
        return False
