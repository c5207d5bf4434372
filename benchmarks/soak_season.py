"""A long proof: a season of kills, outages and damage ends as if nothing had happened.

A small simulated survey is run once undisturbed. Then the same command is started again and
again in new homes while something befalls it, drawn at random: SIGKILL after a random time;
a disk that takes no file above a random size; objects that lose a bit or vanish, which
``astrid doctor --verify --fix`` must make again; with ``--services``, where the catalogue is
in PostgreSQL and the objects in S3, one of the two that stops answering in the middle. What
fails must say why in a sentence. Every home must end with the rows, object keys and bytes of
the undisturbed one. The kill during each step, one at a time, is in
`astrid_assets_tests/test_killed.py`.

    .venv/bin/python -m benchmarks.soak_season
    .venv/bin/python -m benchmarks.soak_season --services --kills 60 --seed 2 --keep
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import obstore
from sqlalchemy import func, select

from astrid_assets.resources.environment import VARIABLES, keep_compiled_code
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets_tests.services import open_services
from astrid_assets_tests.small_survey import NAME, NIGHTS, profile_toml, rows_of
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from astrid_assets.storage.objects.client_store import ClientStore
    from astrid_assets_tests.services import Services

SIDE_PX = 256  # the smallest frame with stars enough to be accepted
WORKERS = 2
LIMIT_S = 900.0
"""A run that takes longer hangs."""
FILE_BYTES = (20_000, 2_000_000)
"""What a full disk still takes, at random: from nothing of use to nearly every object."""
MOST_DAMAGED = 4
MEND = "astrid doctor --verify --fix"
"""What a failure names when objects are lost or damaged."""
KILLS_PER_FAULT = 4
"""How much more often a run is killed than another fault befalls it."""


@dataclass(frozen=True)
class Remains:
    """What a home holds when all is done: its rows, and the keys of its whole objects.

    A key holds the hash of the object's bytes.
    """

    rows: dict[str, list[tuple[object, ...]]]
    keys: frozenset[str]


@dataclass
class Events:
    """What befell the homes, and what was wrong about how they took it."""

    run_s: float
    """The shortest whole run so far: kills later than that would hit nothing."""
    kills: list[float] = field(default_factory=list)
    """Share of all nights of all steps that was done at each kill."""
    faults: Counter[str] = field(default_factory=Counter)
    """Runs that a fault ended, and objects that were damaged, by kind."""
    wrong: list[str] = field(default_factory=list)
    """A line for each failure without a sentence and for whatever differs at the end."""


class Survivor:
    """A home in which the backfill runs, whatever befalls it.

    With `services` catalogue and objects are there instead of in the folder.
    """

    def __init__(self, home: Path, nights: int, services: Services | None = None) -> None:
        self.home = home
        self._span = ("--from", NIGHTS[0], "--to", NIGHTS[nights - 1])
        own = {"ASTRID_HOME": str(home)}
        self.store: ClientStore = FolderObjectStore(home / "store")
        self.catalogue = Catalogue(f"sqlite:///{home / 'catalogue.db'}")
        if services is not None:
            own |= services.variables(home.name)
            self.store, self.catalogue = services.store(home.name), services.catalogue(home.name)
        self._environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | own
        toml = home / "survey.toml"
        toml.write_text(profile_toml(nights=nights, side=SIDE_PX))
        self.expect("survey", "add", str(toml))

    def backfill(self) -> tuple[str, ...]:
        """Return the command that is disturbed."""
        return ("backfill", "--survey", NAME, *self._span, "--workers", str(WORKERS))

    def expect(self, *words: str) -> None:
        """Run a command that must succeed."""
        code, printed = self.run(*words)
        if code:
            raise RuntimeError(f"astrid {' '.join(words)} failed in {self.home}:\n{printed}")

    def run(self, *words: str, file_bytes: int | None = None) -> tuple[int, str]:
        """Run a command to its end; returns its exit code and what it printed."""
        process = self._start(*words, file_bytes=file_bytes)
        printed, _ = process.communicate(timeout=LIMIT_S)
        return process.returncode, printed.decode()

    def run_for(self, seconds: float) -> tuple[int, str] | None:
        """Run the backfill and kill it after some time; returns None if it was killed."""
        process = self._start(*self.backfill())
        try:
            printed, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # Its workers are in its group: nothing of it is left.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
        return process.returncode, printed.decode()

    def run_with_outage(self, seconds: float, outage: Callable[[], None]) -> tuple[int, str]:
        """Run the backfill and cut a service off after some time."""
        process = self._start(*self.backfill())
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
        outage()
        printed, _ = process.communicate(timeout=LIMIT_S)
        return process.returncode, printed.decode()

    def damage(self, rng: np.random.Generator) -> int:
        """Flip a bit of some objects and lose others; returns how many."""
        keys = list(self.store.list())
        hit = rng.choice(len(keys), min(len(keys), int(rng.integers(1, MOST_DAMAGED))), False)
        for number in hit:
            if rng.random() < 0.5:
                self.store.delete(keys[number])
                continue
            # Without the store's own check: an object may be hit again before it is mended.
            client = self.store._connect()  # noqa: SLF001
            content = bytearray(obstore.get(client, keys[number]).bytes())
            content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
            obstore.put(client, keys[number], bytes(content))
        return len(hit)

    def nights_done(self) -> int:
        """Count the nights that each step has finished, together."""
        with self.catalogue.read() as session:
            return session.scalar(select(func.count()).select_from(NightSummary)) or 0

    def remains(self) -> Remains:
        """Return everything that the home holds; each object is read and checked."""
        keys = frozenset(self.store.list())
        for key in keys:
            self.store.verify(key)
        return Remains(rows_of(self.catalogue), keys)

    def _start(self, *words: str, file_bytes: int | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603  our own command
            [Path(sys.executable).with_name("astrid"), *words],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if file_bytes is not None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        return process


def main(words: Sequence[str] | None = None) -> int:
    """Disturb, compare and print the figures; returns 1 if anything is wrong."""
    parser = parser_of("soak_season", __doc__)
    parser.add_argument("--kills", type=int, default=200, help="until so many kills")
    parser.add_argument("--nights", type=int, default=2, help="nights of the survey")
    parser.add_argument("--seed", type=int, default=1, help="of what happens when")
    parser.add_argument("--services", action="store_true", help="on PostgreSQL and S3")
    figures = Figures(parser, words)
    options = figures.options
    keep_compiled_code()  # once, whatever home each run has
    with tempfile.TemporaryDirectory(prefix="astrid-soak-") as folder, contextlib.ExitStack() as on:
        services = on.enter_context(open_services()) if options.services else None
        first = Survivor(_new_folder(folder, "undisturbed"), options.nights, services)
        began = time.perf_counter()
        first.expect(*first.backfill())
        seconds = time.perf_counter() - began
        expected, all_done = first.remains(), first.nights_done()
        events = Events(seconds)
        rng = np.random.default_rng(options.seed)
        homes = 0
        while len(events.kills) < options.kills:
            homes += 1
            home = Survivor(_new_folder(folder, f"season_{homes}"), options.nights, services)
            for _ in disturbed(home, rng, services, events):
                events.kills.append(home.nights_done() / all_done)
                # The last home is left alone once there are enough kills.
                if len(events.kills) >= options.kills:
                    break
            if home.run(*home.backfill())[0]:
                mend(home, events)
                home.expect(*home.backfill())
            # A damaged object that was not named yet may have been taken for whole.
            mend(home, events)
            events.wrong += differences(expected, home.remains())
            print(
                f"home {homes}: {len(events.kills)} of {options.kills} kills, "
                f"{time.perf_counter() - began:.0f} s",
                flush=True,
            )
    add_figures(figures, expected, events, homes)
    figures.add("undisturbed", "one run", "time", seconds, "s")
    for text in events.wrong:
        figures.note(f"wrong: {text}")
    figures.finish()
    return 1 if events.wrong else 0


def disturbed(
    home: Survivor,
    rng: np.random.Generator,
    services: Services | None,
    events: Events,
) -> Iterator[None]:
    """Let things befall a home until a run of it gets to its end; yields at each kill."""
    faults = ["full disk", "damage", *(["outage"] if services else [])]
    while True:
        what = str(rng.choice(["kill"] * KILLS_PER_FAULT * len(faults) + faults))
        after_s = float(rng.uniform(0, events.run_s))
        if what == "damage":
            if any(home.store.list()):
                events.faults["objects damaged"] += home.damage(rng)
                mend(home, events)
            continue
        if what == "kill":
            began = time.perf_counter()
            ended = home.run_for(after_s)
            if ended is None:
                yield
                continue
            code, printed = ended
            events.run_s = min(events.run_s, time.perf_counter() - began)
            what = "damage that the catalogue did not name yet"
        elif what == "full disk":
            limit = int(rng.integers(*FILE_BYTES))
            code, printed = home.run(*home.backfill(), file_bytes=limit)
        else:
            assert services is not None
            name = str(rng.choice(["postgres", "s3"]))
            what = f"outage of {name}"
            code, printed = home.run_with_outage(after_s, partial(services.cut, name))
            services.restore()
        if not code:
            return
        events.faults[f"runs ended by {what}"] += 1
        if "Traceback" in printed or not says_something(printed):
            events.wrong.append(f"{what} without a sentence: {printed[-1500:]}")
        if MEND in printed:
            mend(home, events)


def mend(home: Survivor, events: Events) -> None:
    """Run the one command that makes damaged objects again."""
    code, printed = home.run(*MEND.split()[1:])
    if code:
        events.wrong.append(f"the doctor could not mend it: {printed[-1500:]}")


def says_something(printed: str) -> bool:
    """Say whether a line is an error of the command, or names a night that failed."""
    lines = printed.splitlines()
    return any(line.startswith("Error: ") or line.endswith(" failed:") for line in lines)


def differences(expected: Remains, found: Remains) -> list[str]:
    """Return what differs between two homes, a line each: tables and objects."""
    lines = [
        f"table {name}: {len(found.rows[name])} rows, {len(rows)} expected, or others"
        for name, rows in expected.rows.items()
        if found.rows[name] != rows
    ]
    lines += [f"object {key}: missing" for key in sorted(expected.keys - found.keys)]
    lines += [f"object {key}: not expected" for key in sorted(found.keys - expected.keys)]
    return lines


def add_figures(figures: Figures, expected: Remains, events: Events, homes: int) -> None:
    """Add what befell the homes, how far they had come, and what was compared."""
    table, row = "a season of faults", "all homes"
    figures.add(table, row, "homes", homes)
    figures.add(table, row, "kills", len(events.kills))
    for what, number in sorted(events.faults.items()):
        figures.add(table, row, what, number)
    done = np.array(events.kills)
    for name, share in (("least", done.min()), ("median", np.median(done)), ("most", done.max())):
        figures.add(table, row, f"done at a kill, {name}", 100 * float(share), "%")
    figures.add(table, row, "rows compared in each", sum(map(len, expected.rows.values())))
    figures.add(table, row, "objects compared in each", len(expected.keys))
    figures.add(table, row, "wrong", len(events.wrong))


def _new_folder(folder: str, name: str) -> Path:
    made = Path(folder) / name
    made.mkdir()
    return made


if __name__ == "__main__":
    sys.exit(main())
