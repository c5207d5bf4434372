"""`astrid ui`: the Dagster UI, its daemon, MLflow and the review page, while you look.

Everything listens on this machine only. One lock per home keeps a second daemon
away: two of them would both work off the same backfills.
"""

from __future__ import annotations

import contextlib
import fcntl
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from astrid_assets.cli.children import LOOPBACK, Child, Program, port_is_free, stop
from astrid_assets.resources.environment import DEFAULT_WEB_PORT, Addresses
from astrid_assets.tracking.server import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DAGSTER_PORT = 3000
MLFLOW_PORT = 5000
REVIEW_PORT = DEFAULT_WEB_PORT
START_LIMIT_S = 180.0  # MLflow's first start migrates its database: 20 s when idle


@click.command("ui")
@click.option("--port", default=DAGSTER_PORT, show_default=True, help="Dagster UI.")
@click.option("--mlflow-port", default=MLFLOW_PORT, show_default=True, help="MLflow.")
@click.option(
    "--mlflow/--no-mlflow",
    "with_mlflow",
    default=True,
    show_default=True,
    help="Whether MLflow starts too.",
)
@click.option("--review-port", default=REVIEW_PORT, show_default=True, help="Review page.")
@click.option(
    "--review/--no-review",
    "with_review",
    default=True,
    show_default=True,
    help="Whether the review page starts too.",
)
def ui_command(
    port: int, mlflow_port: int, with_mlflow: bool, review_port: int, with_review: bool
) -> None:
    """Start the Dagster UI, its daemon, MLflow and the review page.

    Ctrl-C stops them all.

    \b
    Example:
      astrid ui
      astrid ui --port 3001 --no-mlflow
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli import workplace

    home = workplace.prepare_home()
    with only_ui_of(home):
        workplace.open_catalogue()
        tracking = workplace.open_tracking()
        tracking.check()
        tracking.make_file()
        with workplace.dagster_instance() as instance:
            workplace.fail_orphans(instance)
        programs = programs_to_start(home, port, mlflow_port, with_mlflow=with_mlflow)
        if with_review:
            programs.append(review_program(home, review_port, port))
        refuse_taken_ports(programs)
        sys.exit(supervise(programs, workplace.dagster_home()))


def programs_to_start(
    home: Path, port: int, mlflow_port: int, *, with_mlflow: bool
) -> list[Program]:
    """Return the programs, each with its command line, port and log file."""
    from astrid_assets.cli.workplace import dagster_home

    bin_folder, logs = Path(sys.executable).parent, home / "logs"
    graph = ["-w", str(dagster_home() / "workspace.yaml")]
    programs = [
        Program(
            "Dagster",
            [
                str(bin_folder / "dagster-webserver"),
                *("-h", LOOPBACK, "-p", str(port)),
                *graph,
            ],
            logs / "webserver.log",
            port,
        ),
        Program(
            "Dagster daemon",
            [str(bin_folder / "dagster-daemon"), "run", *graph],
            logs / "daemon.log",
        ),
    ]
    addresses = Addresses()
    uri, artifacts = addresses.tracking_uri.get_secret_value(), addresses.artifacts_folder
    if not with_mlflow:
        return programs
    if artifacts is None:
        click.echo(f"MLflow       {without_password(uri)} (a server of its own)")
        return programs
    command = [
        *(str(bin_folder / "mlflow"), "server", "--workers", "1"),
        *("--host", LOOPBACK, "--port", str(mlflow_port)),
        *("--backend-store-uri", uri),
        *("--default-artifact-root", artifacts),
        "--no-serve-artifacts",
    ]
    # Job execution starts a second tree of workers that nothing here uses.
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    programs.append(Program("MLflow", command, logs / "mlflow.log", mlflow_port, environment))
    return programs


def review_program(home: Path, port: int, dagster_port: int) -> Program:
    """Return the review page as a program of its own."""
    command = [str(Path(sys.executable).parent / "astrid"), "review"]
    return Program(
        "Review",
        [*command, "--host", LOOPBACK, "--port", str(port)],
        home / "logs" / "review.log",
        port,
        {"ASTRID_DAGSTER_URL": f"http://{LOOPBACK}:{dagster_port}"},
    )


def refuse_taken_ports(programs: Sequence[Program]) -> None:
    """Raise ClickException if a program could not listen where it should."""
    for program in programs:
        if program.port is not None and not port_is_free(program.port):
            raise click.ClickException(
                f"port {program.port} is taken, so {program.name} cannot listen there: "
                "stop what uses it, or choose another with --port, --mlflow-port or "
                "--review-port"
            )


def supervise(programs: Sequence[Program], working_folder: Path) -> int:
    """Start the programs, say where they are, and stop them at Ctrl-C.

    Returns
    -------
    exit code : 0 after Ctrl-C or SIGTERM; 1 when a program ended by itself
    """
    asked_to_stop = threading.Event()
    children: list[Child] = []
    with _stopping_at_signals(asked_to_stop):
        try:
            children += [Child(program, working_folder) for program in programs]
            waiting = list(children)
            give_up_at = time.monotonic() + START_LIMIT_S
            while not asked_to_stop.wait(0.3):
                for child in children:
                    if not child.is_running:
                        return _ended_by_itself(child)
                for child in [c for c in waiting if c.answers]:
                    waiting.remove(child)
                    if child.program.address:
                        click.echo(f"{child.program.name:<12} {child.program.address}")
                    if not waiting:
                        click.echo("Ctrl-C stops everything.")
                if waiting and time.monotonic() > give_up_at:
                    return _never_answered(waiting[0])
            click.echo("Stopping ...")
            return 0
        finally:
            stop(children)


@contextlib.contextmanager
def only_ui_of(home: Path) -> Iterator[None]:
    """Hold the lock of this home's UI; it is freed however this process ends.

    Raises
    ------
    click.ClickException
        If another `astrid ui` holds it.
    """
    with (home / "ui.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise click.ClickException(
                f"another `astrid ui` runs on {home}; stop it with Ctrl-C first"
            ) from error
        yield


@contextlib.contextmanager
def _stopping_at_signals(event: threading.Event) -> Iterator[None]:
    """Set the event at SIGINT, SIGTERM and SIGHUP, even if a script ignored them."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.signal(n, lambda *_: event.set()) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ended_by_itself(child: Child) -> int:
    click.echo(f"{child.program.name} stopped by itself; its last lines:", err=True)
    click.echo(child.last_lines(), err=True)
    click.echo(f"The whole log: {child.program.log}", err=True)
    return 1


def _never_answered(child: Child) -> int:
    click.echo(
        f"{child.program.name} did not answer on port {child.program.port} within "
        f"{START_LIMIT_S:.0f} s; its log: {child.program.log}",
        err=True,
    )
    return 1
