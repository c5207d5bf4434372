"""Programs that run as long as the terminal does: started together, stopped together.

Each child leads a process group of its own, so that a Ctrl-C reaches it only through
us, in our order, and so that the servers it starts itself can be stopped with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOOPBACK = "127.0.0.1"
GRACE_S = 12.0  # the Dagster daemon waits up to ten seconds for its threads
LAST_LINES = 12
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass(frozen=True)
class Program:
    """What to start: a command line, the port it will answer on (if any), its log."""

    name: str
    command: Sequence[str]
    log: Path
    port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str | None:
        """Where a browser finds it; None for a program that has no page."""
        return None if self.port is None else f"http://{LOOPBACK}:{self.port}"


class Child:
    """A started program and everything it started."""

    def __init__(self, program: Program, working_folder: Path) -> None:
        self.program = program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own command lines
                list(program.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=working_folder,
                env={**os.environ, **program.environment},
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """False once the program itself has ended."""
        return self._process.poll() is None

    @property
    def answers(self) -> bool:
        """True when its port accepts connections, or when it has none and runs."""
        if self.program.port is None:
            return self.is_running
        address = (LOOPBACK, self.program.port)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address, timeout=1),
        ):
            return True
        return False

    def last_lines(self) -> str:
        """Return the end of its log, for a message."""
        lines = self.program.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])

    @property
    def group_is_alive(self) -> bool:
        """True while any process of its group lives, zombies not counted."""
        self._process.poll()  # reaps the leader, which would count as alive
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the program and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def stop(children: Sequence[Child], grace_s: float = GRACE_S) -> None:
    """Stop all children and whatever they started; politely first, then for good."""
    for number in STOP_SIGNALS:
        alive = [child for child in children if child.group_is_alive]
        if not alive:
            return
        for child in alive:
            child.signal_group(number)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            if not any(child.group_is_alive for child in alive):
                return
            time.sleep(0.1)


def port_is_free(port: int) -> bool:
    """Return whether a server of ours could listen on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that just closed does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
