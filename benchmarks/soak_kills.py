"""A long proof: a backfill killed at random moments ends as if it had never been killed.

A small simulated survey is run once without interruption. Then the same command is started,
killed with SIGKILL after a random time, and started again, until it gets to its end; in new
homes, until enough kills are counted. Every home must hold the rows, object keys and bytes of
the first. The kill during each step, one at a time, is in `astrid_assets_tests/test_killed.py`.

    .venv/bin/python -m benchmarks.soak_kills
    .venv/bin/python -m benchmarks.soak_kills --kills 100 --seed 2 --keep
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import func, select

from astrid_assets.resources.environment import keep_compiled_code
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets_tests.small_survey import NAME, NIGHTS, profile_toml, rows_of
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDE_PX = 256  # the smallest frame with stars enough to be accepted
WORKERS = 2
LIMIT_S = 600.0
"""A run that takes longer hangs."""


@dataclass(frozen=True)
class Remains:
    """What a home holds when all is done: its rows, and a checksum of each object."""

    rows: dict[str, list[tuple[object, ...]]]
    objects: dict[str, str]


@dataclass(frozen=True)
class Kill:
    """When a run was killed, and how much was done by then."""

    after_s: float
    share_done: float
    """Of all nights of all steps."""


class Survivor:
    """A home in which the backfill runs, and may be killed."""

    def __init__(self, home: Path, nights: int) -> None:
        self.home = home
        self._last = NIGHTS[nights - 1]
        self._environment = os.environ | {"ASTRID_HOME": str(home)}
        self._environment.pop("DAGSTER_HOME", None)
        toml = home / "survey.toml"
        toml.write_text(profile_toml(nights=nights, side=SIDE_PX))
        self._check(self._start("survey", "add", str(toml)), LIMIT_S)

    def run(self) -> float:
        """Run the backfill to its end; returns the seconds it took."""
        began = time.perf_counter()
        self._check(self._backfill(), LIMIT_S)
        return time.perf_counter() - began

    def run_for(self, seconds: float) -> bool:
        """Run the backfill and kill it after some time; returns whether it was killed."""
        process = self._backfill()
        try:
            self._check(process, seconds)
        except subprocess.TimeoutExpired:
            # Its workers are in its group: nothing of it is left.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return True
        return False

    def nights_done(self) -> int:
        """Count the nights that each step has finished, together."""
        with self._catalogue().read() as session:
            return session.scalar(select(func.count()).select_from(NightSummary)) or 0

    def remains(self) -> Remains:
        """Return everything that the home holds."""
        store = open_object_store(str(self.home / "store"))
        return Remains(
            rows_of(self._catalogue()),
            {key: hashlib.sha256(store.get(key)).hexdigest() for key in store.list("")},
        )

    def _catalogue(self) -> Catalogue:
        return Catalogue(f"sqlite:///{self.home / 'catalogue.db'}")

    def _backfill(self) -> subprocess.Popen[bytes]:
        span = ("--from", NIGHTS[0], "--to", self._last)
        return self._start("backfill", "--survey", NAME, *span, "--workers", str(WORKERS))

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  our own command
            [Path(sys.executable).with_name("astrid"), *words],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _check(self, process: subprocess.Popen[bytes], patience_s: float) -> None:
        printed, _ = process.communicate(timeout=patience_s)
        if process.returncode:
            raise RuntimeError(f"the backfill failed in {self.home}:\n{printed.decode()}")


def main(words: Sequence[str] | None = None) -> int:
    """Kill, compare and print the figures; returns 1 if anything differs."""
    parser = parser_of("soak_kills", __doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--nights", type=int, default=3, help="nights of the survey")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    figures = Figures(parser, words)
    options = figures.options
    keep_compiled_code()  # once, whatever home each run has
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory(prefix="astrid-soak-") as folder:
        first = Survivor(_new_folder(folder, "undisturbed"), options.nights)
        seconds = first.run()
        expected, all_done = first.remains(), first.nights_done()
        kills: list[Kill] = []
        differing: list[str] = []
        homes = 0
        while len(kills) < options.kills:
            homes += 1
            killed = Survivor(_new_folder(folder, f"killed-{homes}"), options.nights)
            # The last home is left alone once there are enough kills.
            while len(kills) < options.kills:
                after_s = float(rng.uniform(0, seconds))
                if not killed.run_for(after_s):
                    break
                kills.append(Kill(after_s, killed.nights_done() / all_done))
            killed.run()
            differing += differences(expected, killed.remains())
    add_figures(figures, expected, kills, homes, differing)
    figures.add("uninterrupted", "one run", "time", seconds, "s")
    for text in differing:
        figures.note(f"differs: {text}")
    figures.finish()
    return 1 if differing else 0


def differences(expected: Remains, found: Remains) -> list[str]:
    """Return what differs between two homes, a line each: tables, keys, bytes."""
    lines = [
        f"table {name}: {len(found.rows[name])} rows, {len(rows)} expected, or others"
        for name, rows in expected.rows.items()
        if found.rows[name] != rows
    ]
    for key in sorted(expected.objects.keys() | found.objects.keys()):
        here, there = found.objects.get(key), expected.objects.get(key)
        if here is None or there is None:
            lines.append(f"object {key}: {'missing' if here is None else 'not expected'}")
        elif here != there:
            lines.append(f"object {key}: other bytes")
    return lines


def add_figures(
    figures: Figures, expected: Remains, kills: list[Kill], homes: int, differing: list[str]
) -> None:
    """Add what was killed, how far it had come, and what was compared."""
    table, row = "killed at random moments", "all homes"
    figures.add(table, row, "kills", len(kills))
    figures.add(table, row, "homes", homes)
    done = np.array([kill.share_done for kill in kills])
    for name, share in (("least", done.min()), ("median", np.median(done)), ("most", done.max())):
        figures.add(table, row, f"done at a kill, {name}", 100 * float(share), "%")
    figures.add(table, row, "rows compared in each", sum(map(len, expected.rows.values())))
    figures.add(table, row, "objects compared in each", len(expected.objects))
    figures.add(table, row, "differences", len(differing))


def _new_folder(folder: str, name: str) -> Path:
    made = Path(folder) / name
    made.mkdir()
    return made


if __name__ == "__main__":
    sys.exit(main())
