"""Programs that are started together end together, with all that they started."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from astrid_assets.cli.children import LOOPBACK, Child, Program, port_is_free, stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STARTS_A_GRANDCHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
IGNORES_POLITE_SIGNALS = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def started(folder: Path, code: str) -> Child:
    program = Program("sleeper", [sys.executable, "-c", code], folder / "sleeper.log")
    return Child(program, folder)


def eventually(is_true: Callable[[], object], limit_s: float = 20) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(0.05)
    return False


def lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_stopping_a_program_stops_what_it_started(tmp_path):
    child = started(tmp_path, STARTS_A_GRANDCHILD)
    assert eventually(child.last_lines)
    grandchild = int(child.last_lines())
    assert lives(grandchild)
    stop([child])
    assert not child.is_running
    assert eventually(lambda: not child.group_is_alive)


@pytest.mark.slow
def test_a_program_that_ignores_polite_signals_is_killed(tmp_path):
    child = started(tmp_path, IGNORES_POLITE_SIGNALS)
    assert eventually(lambda: child.last_lines() == "ready")
    stop([child], grace_s=0.3)
    assert not child.is_running


def test_stopping_what_has_ended_already_is_harmless(tmp_path):
    child = started(tmp_path, "print('done')")
    assert eventually(lambda: not child.is_running)
    stop([child])
    assert child.last_lines() == "done"


def test_a_port_somebody_listens_on_is_not_free():
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        port = server.getsockname()[1]
        server.listen()
        assert not port_is_free(port)
    assert port_is_free(port)


@pytest.mark.parametrize("ends", [True, False])
def test_a_program_without_a_port_answers_while_it_runs(tmp_path, ends):
    child = started(tmp_path, "pass" if ends else "import time; time.sleep(600)")
    try:
        if ends:
            assert eventually(lambda: not child.answers)
        else:
            assert child.answers
    finally:
        stop([child])
