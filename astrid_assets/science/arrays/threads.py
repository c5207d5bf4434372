"""Number of cores that one frame may use, and the loop that uses them.

A frame that is processed alone uses all cores; a worker of a pool uses one
(`compute` sets this when it prepares a worker), so that a night never runs more
threads than there are cores. Results do not depend on the number.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Given = TypeVar("Given")
Made = TypeVar("Made")

MIN_ROWS = 64
"""A band with fewer rows costs more to start in a thread than to compute."""

_limit: list[int] = []
_helpers: list[tuple[int, int, ThreadPoolExecutor]] = []
_lock = threading.Lock()
_here = threading.local()


def set_threads(number: int) -> None:
    """Set how many threads the frames of this process may use, at least 1.

    Parameters
    ----------
    number
        Threads; values below 1 count as 1.
    """
    _limit[:] = [max(1, number)]


def threads() -> int:
    """Return how many threads may be used: all cores unless `set_threads` was called.

    Returns
    -------
    number
        At least 1.
    """
    return _limit[0] if _limit else len(os.sched_getaffinity(0))


def side_by_side(work: Callable[[Given], Made], items: Iterable[Given]) -> list[Made]:
    """Return ``work(item)`` of every item, run in as many threads as are allowed.

    The calling thread works too. Called from one of the threads, it runs the items one
    after the other.

    Parameters
    ----------
    work
        Called once per item, in several threads at a time.
    items
        What it is called with.

    Returns
    -------
    made
        The results, in the order of the items. If a call raises, its exception is raised
        here once all threads have ended.
    """
    todo = list(items)
    count = min(threads(), len(todo))
    # A call from a helper thread would wait for itself: it runs alone.
    if count <= 1 or getattr(_here, "is_helper", False):
        return [work(item) for item in todo]
    made: dict[int, Made] = {}
    left = iter(range(len(todo)))

    def share() -> None:
        for i in left:
            made[i] = work(todo[i])

    helpers = [_pool().submit(share) for _ in range(count - 1)]
    try:
        share()
    finally:
        wait(helpers)
    for helper in helpers:
        helper.result()
    return [made[i] for i in range(len(todo))]


def in_bands(work: Callable[[int, int], object], rows: int) -> None:
    """Call ``work(first, last)`` for bands of rows that together make up 0..rows.

    If a call raises, its exception is raised here once all bands have ended.

    Parameters
    ----------
    work
        Writes to rows ``first..last - 1`` of its arrays and to nothing else; it runs at
        the same time in several threads, so it should release the GIL.
    rows
        Number of rows, at least 0.
    """
    count = min(threads(), max(1, rows // MIN_ROWS))
    edges = [rows * k // count for k in range(count + 1)]
    side_by_side(lambda band: work(*band), pairwise(edges))


def _pool() -> ThreadPoolExecutor:
    """Return this process's pool of threads; starting new ones for each loop costs more."""
    number = threads() - 1
    with _lock:
        # A forked process has its parent's list and none of its threads.
        if not _helpers or _helpers[0][:2] != (os.getpid(), number):
            pool = ThreadPoolExecutor(number, "bands", initializer=_mark)
            _helpers[:] = [(os.getpid(), number, pool)]
        return _helpers[0][2]


def _mark() -> None:
    _here.is_helper = True
