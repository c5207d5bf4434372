"""Slowing down those who guess passwords: failures are counted, in memory.

A name is refused only to the address that failed with it, so that nobody locks a
reviewer out from elsewhere. Many addresses that guess at one name together get fewer
attempts each; an address that has not failed yet always gets some, and logins and API
tokens that exist go on working.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astrid_assets.web.origin import network_of
from astrid_assets.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FAILURES_PER_PAIR = 10  # of one name from one address
MAX_FAILURES_PER_ADDRESS = 30  # whatever the names
MAX_FAILURES_PER_NAME = 100  # from all addresses; above it each gets fewer
MAX_FAILURES_WHEN_MANY_GUESS = 3  # of that name from one address
FAILURE_WINDOW_S = 15 * 60
MAX_REMEMBERED = 10_000  # names, addresses and pairs; beyond that the oldest are forgotten
HASHES_AT_ONCE = 2  # each takes 32 MiB and a tenth of a second


@dataclass
class LoginLimiter:
    """Counts failed logins per name and address; kept in memory."""

    clock: Callable[[], float] = time.monotonic
    _failures: dict[tuple[str, str], deque[float]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    hashing: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(HASHES_AT_ONCE)
    )

    def attempt(self, name: str, address: str) -> None:
        """Count an attempt as failed until it succeeds; Problem 429 after too many.

        It is counted before the password is compared, so that attempts at the same time
        are not all admitted.
        """
        with self._lock:
            pair, one_address, one_name = _keys(name, address)
            many_guess = len(self._recent(one_name)) >= MAX_FAILURES_PER_NAME
            self._refuse_after(
                MAX_FAILURES_WHEN_MANY_GUESS if many_guess else MAX_FAILURES_PER_PAIR, pair
            )
            self._refuse_after(MAX_FAILURES_PER_ADDRESS, one_address)
            for key in (pair, one_address, one_name):
                self._recent(key).append(self.clock())
            while len(self._failures) > MAX_REMEMBERED:
                self._failures.pop(next(iter(self._failures)))

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of a name at an address, and count the attempt as none."""
        with self._lock:
            pair, *others = _keys(name, address)
            self._failures.pop(pair, None)
            for key in others:
                if times := self._recent(key):
                    times.pop()

    def _refuse_after(self, most: int, key: tuple[str, str]) -> None:
        recent = self._recent(key)
        if len(recent) >= most:
            wait = int(recent[0] + FAILURE_WINDOW_S - self.clock()) + 1
            raise Problem(
                429,
                "too many failed logins from your address; wait a quarter of an hour, or "
                "use an API token",
                code="too-many-logins",
                headers={"Retry-After": str(wait)},
            )

    def _recent(self, key: tuple[str, str]) -> deque[float]:
        times = self._failures[key]
        while times and times[0] <= self.clock() - FAILURE_WINDOW_S:
            times.popleft()
        return times


def _keys(name: str, address: str) -> tuple[tuple[str, str], tuple[str, str], tuple[str, str]]:
    network = network_of(address)
    return (name, network), ("", network), (name, "")
