"""The frame loop: one function over many frames, here, on all cores, or on Ray.

Pure Python with no Dagster and no arrays: `Compute.map` takes a module-level function
and yields its results in the order of the items, with a bounded number under way.
Inside a worker every library gets one thread, so that workers do not trample each
other and results do not depend on how many there are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from astrid_assets.science.arrays.threads import set_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ray import ObjectRef

Item = TypeVar("Item")
Result = TypeVar("Result")
Backend = Literal["serial", "processes", "ray"]

AHEAD_PER_WORKER = 2  # items under way for each worker: none waits, few are in memory
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_pools: dict[tuple[int, int], ProcessPoolExecutor] = {}
"""Pools of this process by its id and their size: a worker takes a second or two to
import what it needs, so pools outlive the step that first needed them."""


class WorkerDied(RuntimeError):
    """A worker process ended without an answer, most often for lack of memory."""


@dataclass(frozen=True)
class Compute:
    """Where the frame loop runs.

    Attributes
    ----------
    backend
        ``serial``: in this process. ``processes``: a pool on this machine (one worker
        is this process). ``ray``: a Ray cluster (``RAY_ADDRESS``, else a local one).
    workers
        How many items are computed at once.
    """

    backend: Backend = "serial"
    workers: int = 1

    def __post_init__(self) -> None:
        if self.backend not in get_args(Backend):
            raise ValueError(
                f"compute back end {self.backend!r} is none of {', '.join(get_args(Backend))}"
            )
        if self.workers < 1:
            raise ValueError(f"at least one worker is needed, not {self.workers}")

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``function(item)`` for each item, in their order.

        Parameters
        ----------
        function
            Defined in a module, so that it can travel to another process.
        items
            Taken as results are; an endless iterator is fine.

        Raises
        ------
        WorkerDied
            If a worker process ended without an answer.
        Exception
            Whatever `function` raised, at the item that raised it.
        """
        if self.backend == "ray":
            return _map_on_ray(function, items, self.workers)
        if self.backend == "serial" or self.workers == 1:
            return map(function, items)
        return _map_on_processes(function, items, self.workers)


def _map_on_processes(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    pool = _pool(workers)
    todo = iter(items)
    under_way: deque[Future[Result]] = deque()
    try:
        while True:
            for item in islice(todo, workers * AHEAD_PER_WORKER - len(under_way)):
                under_way.append(pool.submit(function, item))
            if not under_way:
                return
            yield under_way.popleft().result()
    except BrokenProcessPool as error:
        _pools.pop((os.getpid(), workers), None)
        raise WorkerDied(
            "a worker process ended without an answer, most often because memory ran "
            f"out with {workers} workers; lower ASTRID_WORKERS and run again"
        ) from error
    finally:
        for future in under_way:
            future.cancel()


def _pool(workers: int) -> ProcessPoolExecutor:
    key = (os.getpid(), workers)
    if key not in _pools:
        # Forking a process with threads (Dagster's, a BLAS's) can deadlock the child.
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        _pools[key] = ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context(method),
            initializer=_prepare_worker,
        )
    return _pools[key]


def _prepare_worker() -> None:
    """Make a fresh worker single-threaded, deaf to Ctrl-C, and mortal."""
    # Read when the libraries are imported, which is when the first task arrives.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    set_threads(1)
    # Ctrl-C reaches the whole terminal; the parent decides what becomes of workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A killed parent leaves its workers waiting for work for ever.
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _on_one_core(function: Callable[[Item], Result], item: Item) -> Result:
    set_threads(1)
    return function(item)


def _map_on_ray(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    ray = _ray(workers)
    remote = ray.remote(_on_one_core)
    todo = iter(items)
    under_way: deque[ObjectRef[Result]] = deque()
    try:
        while True:
            for item in islice(todo, workers * AHEAD_PER_WORKER - len(under_way)):
                under_way.append(remote.remote(function, item))
            if not under_way:
                return
            yield ray.get(under_way.popleft())
    finally:
        for reference in under_way:
            ray.cancel(reference)


def ray_address() -> str | None:
    """Return the address of the Ray cluster that the environment names."""
    return os.environ.get("RAY_ADDRESS") or None


def _ray(workers: int):
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if not ray.is_initialized():
        environment = {"env_vars": dict.fromkeys(THREAD_VARIABLES, "1")}
        if ray_address():
            ray.init(runtime_env=environment, log_to_driver=False)
        else:
            ray.init(
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                runtime_env=environment,
            )
    return ray
