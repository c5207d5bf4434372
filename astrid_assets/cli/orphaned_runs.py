"""Runs whose process is gone: after a crash Dagster shows them as running for ever.

The daemon notices a dead worker of its own while it lives; when everything died at
once, nobody is left to. Only runs of this machine are judged: where Dagster's
storage is shared, other machines' process numbers mean nothing here.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

HOST_TAG = "astrid/host"
"""Set on runs that `astrid backfill` executes itself."""

UNSTARTED_LIMIT_S = 600.0  # a launched run says something long before
CLOCK_SLACK_S = 2.0  # process start times come in clock ticks since boot
IN_PROGRESS = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Orphan:
    """A run in progress that no process works on, and why we think so."""

    run: DagsterRun
    reason: str


def host_tags() -> dict[str, str]:
    """Return the tags of a run that this process executes itself."""
    return {HOST_TAG: socket.gethostname()}


def orphaned_runs(instance: DagsterInstance, *, shared: bool) -> list[Orphan]:
    """Return the runs in progress whose process no longer lives.

    Parameters
    ----------
    instance
        Where the runs are recorded.
    shared
        True when other machines record their runs there too.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=IN_PROGRESS))
    found = []
    for record in records:
        run = record.dagster_run
        if shared and run.tags.get(HOST_TAG) != socket.gethostname():
            continue
        worker = _worker(instance, run.run_id)
        if worker is None:
            age_s = time.time() - record.create_timestamp.timestamp()
            if age_s > UNSTARTED_LIMIT_S:
                found.append(Orphan(run, f"was launched {age_s:.0f} s ago, silent"))
        elif not _is_alive(*worker):
            found.append(Orphan(run, f"its process {worker[0]} no longer lives"))
    return found


def fail(instance: DagsterInstance, orphan: Orphan) -> None:
    """Record the run as failed and give back the pool slots it held."""
    instance.report_run_failed(
        orphan.run, f"Ended without a trace: {orphan.reason}. Found by `astrid doctor`."
    )
    instance.event_log_storage.free_concurrency_slots_for_run(orphan.run.run_id)


def _worker(instance: DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """Return number and starting time of the process that executes a run."""
    # The one event that only the worker writes; launcher and daemon write others.
    started = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_START)
    for entry in reversed(started):
        if entry.dagster_event is not None and entry.dagster_event.pid is not None:
            return entry.dagster_event.pid, entry.timestamp
    return None


def _is_alive(process_id: int, seen_at: float) -> bool:
    """Return whether the process lives and is not a later one of the same number."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it lives, as another user
    started_at = _started_at(process_id)
    return started_at is None or started_at <= seen_at + CLOCK_SLACK_S


def _started_at(process_id: int) -> float | None:
    """Return when a process started; None where the system does not report it."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
        boot = Path("/proc/stat").read_text()
    except OSError:
        return None
    # Field 22; the second field is the program's name and may hold spaces.
    ticks = int(status.rpartition(")")[2].split()[19])
    booted_at = next(int(line.split()[1]) for line in boot.splitlines() if line.startswith("btime"))
    return booted_at + ticks / os.sysconf("SC_CLK_TCK")
