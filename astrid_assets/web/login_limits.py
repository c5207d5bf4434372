"""Slowing down those who guess passwords: failures are counted, in memory."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astrid_assets.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FAILURES_PER_NAME = 10
MAX_FAILURES_PER_ADDRESS = 30
FAILURE_WINDOW_S = 15 * 60
MAX_REMEMBERED = 10_000  # names and addresses; beyond that the oldest are forgotten
HASHES_AT_ONCE = 2  # each takes 32 MiB and a tenth of a second


@dataclass
class LoginLimiter:
    """Counts failed logins per name and per address; kept in memory."""

    clock: Callable[[], float] = time.monotonic
    _failures: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
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
                        "too many failed logins; wait a quarter of an hour, or use an API token",
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


def _keys(name: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    return (
        (f"name {name}", MAX_FAILURES_PER_NAME),
        (f"address {address}", MAX_FAILURES_PER_ADDRESS),
    )
