"""CPU time and memory of a piece of work, as all benchmarks count them."""

from __future__ import annotations

import resource
import tracemalloc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BYTES_PER_PIXEL = 4  # float32


def cpu_seconds() -> float:
    """Return the CPU seconds so far of this process and of the programs that it ran."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def cpu_of(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one run."""
    began = cpu_seconds()
    work()
    return cpu_seconds() - began


def peak_frames(work: Callable[[], object], pixels: int) -> float:
    """Return the most memory that numpy and Python allocate in a run, in float32 frames."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / (BYTES_PER_PIXEL * pixels)
    finally:
        tracemalloc.stop()
