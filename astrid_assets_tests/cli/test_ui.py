"""`astrid ui` says where things are, and takes everything along when it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from astrid_assets.cli.children import LOOPBACK, Program
from astrid_assets.cli.ui import only_ui_of, programs_to_start, refuse_taken_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVES = """
import http.server, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[2], "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])),
                       http.server.BaseHTTPRequestHandler).serve_forever()
"""
SUPERVISES = """
import sys
from pathlib import Path
from astrid_assets.cli.children import Program
from astrid_assets.cli.ui import supervise
folder, code = Path(sys.argv[1]), sys.argv[2]
programs = [
    Program(f"server {port}", [sys.executable, "-c", code, port, str(folder / port)],
            folder / f"{port}.log", int(port))
    for port in sys.argv[3:]
]
sys.exit(supervise(programs, folder))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def lives(process_id: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2]
    except FileNotFoundError:
        return False
    return state.split()[0] != "Z"


@contextmanager
def supervised(folder: Path, code: str, ports: list[int]) -> Iterator[subprocess.Popen]:
    # As a script's background job starts: Ctrl-C is ignored, and must work again.
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISES, str(folder), code, *map(str, ports)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_until(process: subprocess.Popen, end: str, limit_s: float = 60) -> list[str]:
    assert process.stdout is not None
    watchdog = threading.Timer(limit_s, process.kill)
    watchdog.start()
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.startswith(end):
            break
    watchdog.cancel()
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_stops_every_program_and_what_it_started(tmp_path, number):
    ports = [free_port(), free_port()]
    with supervised(tmp_path, SERVES, ports) as process:
        told = lines_until(process, "Ctrl-C")
        for port in ports:
            assert any(f"http://127.0.0.1:{port}" in line for line in told)
        started = [
            int(text) for port in ports for text in (tmp_path / str(port)).read_text().split()
        ]
        assert all(lives(process_id) for process_id in started)
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert not [process_id for process_id in started if lives(process_id)]


@pytest.mark.slow
def test_a_program_that_ends_by_itself_ends_the_others_and_is_quoted(tmp_path):
    ports = [free_port(), free_port()]
    code = f"""
import sys
if sys.argv[1] == "{ports[1]}":
    sys.exit("the database is gone")
{SERVES}"""
    with supervised(tmp_path, code, ports) as process:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
    assert "the database is gone" in output
    assert str(tmp_path / f"{ports[1]}.log") in output
    survivor = tmp_path / str(ports[0])
    if survivor.exists():
        assert not [pid for pid in map(int, survivor.read_text().split()) if lives(pid)]


def test_a_taken_port_is_told_before_anything_starts(tmp_path):
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        program = Program("Dagster", ["true"], tmp_path / "log", port)
        with pytest.raises(click.ClickException, match=f"port {port} is taken"):
            refuse_taken_ports([program])


def test_a_home_has_one_ui_at_a_time(tmp_path):
    with (
        only_ui_of(tmp_path),
        pytest.raises(click.ClickException, match="another `astrid ui`"),
        only_ui_of(tmp_path),
    ):
        pass
    with only_ui_of(tmp_path):
        pass


def test_everything_listens_on_this_machine_only(home):
    for program in programs_to_start(home, 3000, 5000, with_mlflow=True):
        words = list(program.command)
        assert "0.0.0.0" not in words  # noqa: S104  looked for, not bound to
        if program.port is not None:
            assert "127.0.0.1" in words


def test_an_mlflow_server_elsewhere_is_not_started_again(home, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@mlflow.example:5000")
    programs = programs_to_start(home, 3000, 5000, with_mlflow=True)
    assert [program.name for program in programs] == ["Dagster", "Dagster daemon"]
    told = capsys.readouterr().out
    assert "mlflow.example" in told
    assert "secret" not in told


@pytest.mark.slow
def test_dagster_and_mlflow_answer_and_leave_nothing_behind(home):
    ports = free_port(), free_port(), free_port()
    command = [sys.executable, "-c", "from astrid_assets.cli.main import main; main()"]
    command += ["ui", "--port", str(ports[0]), "--mlflow-port", str(ports[1])]
    command += ["--review-port", str(ports[2])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        told = lines_until(process, "Ctrl-C", limit_s=240)
        assert told[-1:] == ["Ctrl-C stops everything."], told
        paths = ("server_info", "health", "health")
        for port, path in zip(ports, paths, strict=True):
            address = f"http://127.0.0.1:{port}/{path}"
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert answer.status == 200
        started = descendants(process.pid)
        assert len(started) >= 3
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
    assert not [process_id for process_id in started if lives(process_id)]


def descendants(ancestor: int) -> set[int]:
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and lives(int(folder.name)):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
    found: set[int] = set()
    while True:
        more = {p for p, parent in parents.items() if parent in {ancestor, *found}}
        if more <= found:
            return found
        found |= more
