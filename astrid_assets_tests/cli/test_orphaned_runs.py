"""Runs left behind by a crash are told from runs that somebody works on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from astrid_assets.cli.orphaned_runs import HOST_TAG, fail, host_tags, orphaned_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

POOL = "cpu"
DIES_IN_ITS_STEP = """
import os, signal, sys
import dagster as dg

@dg.asset(pool="cpu")
def doomed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    instance.event_log_storage.set_concurrency_slots("cpu", 1)
    dg.materialize([doomed], instance=instance, tags={"astrid/host": sys.argv[2]})
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def crash(instance: dg.DagsterInstance, host: str = "") -> None:
    command = [sys.executable, "-c", DIES_IN_ITS_STEP, instance.root_directory, host]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


def test_a_killed_run_is_found_failed_and_its_pool_slot_freed(instance):
    crash(instance)
    claimed = instance.event_log_storage.get_concurrency_info(POOL)
    assert claimed.active_slot_count == 1

    (orphan,) = orphaned_runs(instance, shared=False)
    assert "no longer lives" in orphan.reason
    fail(instance, orphan)

    run = instance.get_run_by_id(orphan.run.run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE
    freed = instance.event_log_storage.get_concurrency_info(POOL)
    assert freed.active_slot_count == 0
    assert orphaned_runs(instance, shared=False) == []


def test_a_run_whose_process_lives_is_left_alone(instance):
    seen = []

    @dg.asset
    def looks_at_itself() -> None:
        seen.append(orphaned_runs(instance, shared=False))

    dg.materialize([looks_at_itself], instance=instance)
    assert seen == [[]]


def test_a_later_process_of_the_same_number_does_not_keep_a_run_alive(instance, monkeypatch):
    crash(instance)
    # As if this very process had been given the dead worker's number.
    monkeypatch.setattr(os, "kill", lambda *_: None)
    monkeypatch.setattr("astrid_assets.cli.orphaned_runs._started_at", lambda _: 32_503_680_000.0)
    assert len(orphaned_runs(instance, shared=False)) == 1


@pytest.mark.parametrize("ours", [True, False])
def test_in_shared_storage_only_runs_of_this_machine_are_judged(instance, ours):
    crash(instance, host_tags()[HOST_TAG] if ours else "elsewhere")
    assert len(orphaned_runs(instance, shared=True)) == (1 if ours else 0)
