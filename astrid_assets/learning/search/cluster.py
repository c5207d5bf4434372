"""The Ray cluster that a search runs on, and the way of its events to this process."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from astrid_assets.learning.search.settings import ClusterUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ray.tune import Callback

    from astrid_assets.learning.search.settings import SearchSettings

OBJECT_STORE_BYTES = 100_000_000
"""Enough: the cutouts are read from files, not passed through Ray."""


@contextmanager
def ray_cluster(search: SearchSettings) -> Iterator[None]:
    """Connect to the cluster, or start one on this machine for as long as it is needed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # An interrupt ends the search like everything else; Tune would stop all trials and go
    # on with what there is.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    # The caller keeps what is worth keeping.
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    import ray

    # A trial that failed is reported by us; that a token is asked for is what we want.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield
        return
    # Ray's sockets live here, and their paths must stay under about 100 characters.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as short:
        try:
            if search.address is not None:
                _connect(search.address)
            else:
                # It listens on all interfaces, whatever address it is given, and answers
                # only to who knows the token that it makes.
                ray.init(
                    num_cpus=search.at_once or _cores(),
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                    _temp_dir=short,
                )
            yield
        finally:
            ray.shutdown()


def _connect(address: str) -> None:
    import ray

    try:
        ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError) as error:
        raise ClusterUnreachable(
            f"the Ray cluster at {address} does not answer ({error}): look whether it runs, and "
            "whether RAY_AUTH_MODE and RAY_AUTH_TOKEN are those of the cluster"
        ) from error


def trials_at_once(search: SearchSettings) -> int:
    """Return how many trials the connected cluster has room for, or as many as asked."""
    import ray

    has = ray.cluster_resources()
    room = has.get("CPU", 1.0)
    if search.gpus_per_trial:
        room = min(room, has.get("GPU", 0.0) / search.gpus_per_trial)
    return search.at_once or max(1, int(room))


@contextmanager
def delivered_events(take: Callable[[Mapping[str, Any]], None]) -> Iterator[Callback]:
    """Yield the callback of Tune whose events are taken by a function of this process."""
    from ray.util.client import ray as client

    from astrid_assets.learning.search.events import Events

    if not client.is_connected():
        yield Events(take)
        return
    # Tune runs on the head of the cluster; what it reports comes back through a queue.
    from ray.util.queue import Empty, Queue

    queue, stop = Queue(actor_options={"num_cpus": 0}), threading.Event()

    def drain() -> None:
        while True:
            try:
                take(queue.get(timeout=0.5))
            except Empty:
                if stop.is_set():
                    return

    with ThreadPoolExecutor(1) as executor:
        draining = executor.submit(drain)
        try:
            yield Events(queue.put, can_travel=True)
        finally:
            stop.set()
        draining.result()


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
