"""How many cores one frame may use, and the loop that uses them.

A frame that is processed alone takes all cores; a worker of a pool takes one
(`compute` says so when it prepares a worker), so that a night never runs more
threads than there are cores. Results do not depend on the number.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_ROWS = 64
"""A band with fewer rows costs more to hand over than to compute."""

_limit: list[int] = []


def set_threads(number: int) -> None:
    """Say how many threads the frames of this process may use, at least 1."""
    _limit[:] = [max(1, number)]


def threads() -> int:
    """Return how many threads may be used: all cores unless told otherwise."""
    return _limit[0] if _limit else len(os.sched_getaffinity(0))


def in_bands(work: Callable[[int, int], object], rows: int) -> None:
    """Call ``work(first, last)`` for bands of rows that together make up 0..rows.

    `work` writes to rows ``first..last - 1`` of what it was given and to nothing
    else; it runs at the same time in several threads, so it should release the GIL.
    An exception of any band is raised.
    """
    count = min(threads(), max(1, rows // MIN_ROWS))
    if count == 1:
        work(0, rows)
        return
    edges = [rows * k // count for k in range(count + 1)]
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work, first, last) for first, last in pairwise(edges)]:
            done.result()
