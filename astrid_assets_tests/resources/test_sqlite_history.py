"""Kept engines change when files are opened, and nothing else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import dagster as dg
import pytest
import sqlalchemy as sa

from astrid_assets.resources.sqlite_history import (
    OPEN_FILES,
    Engines,
    KeptEventLogStorage,
)
from astrid_assets_tests.resources.nights import run_nights

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_dagsters_own_storage_reads_what_ours_wrote(
    instance: dg.DagsterInstance, own_home: Path
) -> None:
    run_id = run_nights(instance, "2025-03-01", "2025-03-04")
    with dg.DagsterInstance.local_temp(str(own_home / "dagster")) as stock:
        ours = [e.message for e in instance.all_logs(run_id)]
        theirs = [e.message for e in stock.all_logs(run_id)]
        assert ours == theirs
        assert len(ours) > 10
        assert stock.get_materialized_partitions(dg.AssetKey("sources")) == {
            f"2025-03-0{day}|wide" for day in (1, 2, 3, 4)
        }


def test_many_runs_leave_few_files_open(instance: dg.DagsterInstance) -> None:
    for day in range(1, OPEN_FILES + 3):
        run_nights(instance, f"2025-03-{day:02d}", f"2025-03-{day:02d}")
    log = instance.event_log_storage
    assert isinstance(log, KeptEventLogStorage)
    assert len(log._engines._engines) <= OPEN_FILES
    for record in instance.get_run_records():
        assert len(instance.all_logs(record.dagster_run.run_id)) > 10


def test_events_written_after_a_wipe_are_found(instance: dg.DagsterInstance) -> None:
    run_nights(instance, "2025-03-01", "2025-03-01")
    instance.event_log_storage.wipe()
    run_id = run_nights(instance, "2025-03-02", "2025-03-02")
    assert len(instance.all_logs(run_id)) > 10


def test_a_wipe_by_another_process_is_noticed(instance: dg.DagsterInstance, own_home: Path) -> None:
    first = run_nights(instance, "2025-03-01", "2025-03-01")
    with dg.DagsterInstance.local_temp(str(own_home / "dagster")) as other:
        other.event_log_storage.wipe()
    assert instance.all_logs(first) == []
    second = run_nights(instance, "2025-03-02", "2025-03-02")
    with dg.DagsterInstance.local_temp(str(own_home / "dagster")) as other:
        assert len(other.all_logs(second)) > 10


def test_threads_read_while_a_run_writes(instance: dg.DagsterInstance) -> None:
    seen: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(len(instance.get_run_records()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        run_nights(instance, "2025-03-01", "2025-03-05")
    finally:
        stop.set()
        watcher.join()
    assert seen[-1] == 1


def test_writes_do_not_wait_for_the_disk_but_keep_the_log(tmp_path: Path) -> None:
    engines = Engines()
    with engines.get(f"sqlite:///{tmp_path}/x.db").connect() as connection:
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 1
    engines.dispose()


def test_the_oldest_engine_is_closed_first(tmp_path: Path) -> None:
    engines = Engines(limit=2)
    first, second = (engines.get(f"sqlite:///{tmp_path}/{n}.db") for n in (1, 2))
    assert engines.get(f"sqlite:///{tmp_path}/1.db") is first
    engines.get(f"sqlite:///{tmp_path}/3.db")
    assert engines.get(f"sqlite:///{tmp_path}/1.db") is first
    assert engines.get(f"sqlite:///{tmp_path}/2.db") is not second
    engines.dispose()


@pytest.mark.parametrize("nights", [30])
def test_a_night_costs_less_than_a_third_of_a_second(
    instance: dg.DagsterInstance, nights: int
) -> None:
    # CPU time: the machine may be busy with something else. Measured: 0.02 s.
    import time

    run_nights(instance, "2025-01-01", "2025-01-01")
    start = time.process_time()
    run_nights(instance, "2025-02-01", "2025-03-02")
    assert (time.process_time() - start) / nights < 0.3
