"""Catalogues of earlier versions: what they hold is kept, what they lack is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command
from sqlalchemy import column, insert, inspect, select, text
from sqlalchemy import table as sql_table

from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.storage.database.migrations import schema as migrations
from astrid_assets.storage.database.tables.detections import Detection, SkyObject
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.learning import Deployment, TrainingDataset
from astrid_assets.storage.database.tables.review import ReviewItem, ValidationEvent, VoteRow
from astrid_assets.storage.queries.named_objects import named_objects
from astrid_assets.storage.queries.naming import new_object_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from astrid_assets.storage.database.catalogue import Catalogue

SURVEY = (
    "INSERT INTO surveys (name, profile_toml, created_at, updated_at) "
    "VALUES ('sim', '', '2025-03-01 12:00:00', '2025-03-01 12:00:00')"
)
OBSERVATION = (
    "INSERT INTO observations (id, survey, night, source_path, hdu, sha256, size_bytes, status, "
    "kind, field, band, registered_at) VALUES ('o', 'sim', '2025-03-01', 'a.fits', 0, 'x', 1, "
    "'registered', 'light', 'f', 'r', '2025-03-01 12:00:00')"
)
RUN = (
    "INSERT INTO preprocess_runs (id, observation_id, settings_hash, status, reasons, flags, "
    "fwhm_px, n_stars, processed_at) VALUES ('p', 'o', 'h', 'accepted', '[]', '[]', 2.5, 41, "
    "'2025-03-01 12:00:00')"
)
NEW = {
    "sky_fraction",
    "sky_gradient",
    "line_noise",
    "wave",
    "ripple",
    "fwhm_ratio",
    "sky_rms_ratio",
}
"""Numbers that had no column before revision 0013."""
DATASET = (
    "INSERT INTO training_datasets (id, content_hash, name, collection_params, total_samples, "
    "anomaly_ratio, quality_score, quality_report, images_key, masks_key, samples_key, "
    "last_sequence, created_at, created_by, status) VALUES ('d', 'h', 'all', '{}', 70, 0.5, 0.9, "
    "'{}', 'datasets/h/images.0.npy', 'datasets/h/masks.0.npy', 'datasets/h/samples.0.parquet', "
    "3, '2025-03-01 12:00:00', 'ada', 'active')"
)

TIME = "2025-03-01 12:00:00"
ROWS: list[tuple[str, Mapping[str, object]]] = [
    (
        "difference_runs",
        {"id": "r", "observation_id": "o", "settings_hash": "h", "method": "zogy"}
        | {"is_current": True, "status": "accepted", "reasons": "[]", "flags": "[]"}
        | {"subtracted_at": TIME},
    ),
    (
        "objects",
        {"id": "s", "survey": "sim", "ra_deg": 150, "dec_deg": 2, "healpix": 1, "created_at": TIME},
    ),
    *(
        (
            "candidates",
            {"id": f"c{n}", "difference_id": "r", "peak_x": n, "peak_y": 1, "is_current": True}
            | {"x": n, "y": 1, "score_sigma": 9, "sign": 1, "flux_e": 100, "flux_err_e": 10}
            | {"mask_bits": 0, "reasons": 0, "is_kept": True},
        )
        for n in range(2)
    ),
    *(
        (
            "detections",
            {"id": f"d{n}", "candidate_id": f"c{n}", "observation_id": "o", "object_id": "s"}
            | {"survey": "sim", "night": "2025-03-01", "cutout_key": "k", "cutout_index": n}
            | {"score": 0.5, "score_kind": "snr_ranking", "detected_at": f"2025-03-01 12:0{2 - n}"},
        )
        for n in range(2)
    ),
    *(
        (
            "validation_events",
            {"sequence": n, "event_key": f"k{n}", "detection_id": "d0", "reviewer": reviewer}
            | {"source": "person", "label": label, "created_at": TIME},
        )
        for n, (reviewer, label) in enumerate(
            [("ann", "real"), ("bob", "real"), ("ann", "undo"), ("ann", "bogus")], start=1
        )
    ),
    *(
        (
            "votes",
            {"detection_id": "d0", "source": "person", "reviewer": reviewer, "label": label}
            | {"n_said": 1, "sequence": sequence},
        )
        for reviewer, label, sequence in [("ann", "bogus", 4), ("bob", "real", 2)]
    ),
]
"""Two detections of an object, the second stored first, and answers on one of them."""


def columns(connection: Connection) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns("preprocess_runs")}


@pytest.mark.slow
def test_a_frame_that_was_measured_before_a_number_had_a_column_has_none_of_it(
    empty_catalogue: Catalogue,
) -> None:
    with empty_catalogue.engine.begin() as connection:
        settings = migrations.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0012")
    with empty_catalogue.engine.begin() as connection:
        assert not columns(connection) & NEW
        for row in (SURVEY, OBSERVATION, RUN):
            connection.execute(text(row))
    empty_catalogue.migrate()
    empty_catalogue.check()
    with empty_catalogue.read() as session:
        run = session.scalars(select(PreprocessRun)).one()
    assert (run.fwhm_px, run.n_stars) == (2.5, 41)
    words = {n.name: n.in_words(getattr(run, n.name)) for n in FRAME_NUMBERS}
    assert words["fwhm_px"] == "FWHM 2.5 px"
    assert {name for name in NEW if words[name].endswith(" unknown")} == NEW


def test_every_declared_number_of_a_frame_has_its_column(catalogue: Catalogue) -> None:
    with catalogue.engine.connect() as connection:
        assert {number.name for number in FRAME_NUMBERS} <= columns(connection)


@pytest.mark.slow
def test_a_dataset_of_one_array_becomes_a_dataset_of_one_shard(empty_catalogue: Catalogue) -> None:
    with empty_catalogue.engine.begin() as connection:
        settings = migrations.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0013")
    with empty_catalogue.engine.begin() as connection:
        connection.execute(text(DATASET))
    empty_catalogue.migrate()
    empty_catalogue.check()
    with empty_catalogue.read() as session:
        dataset = session.scalars(select(TrainingDataset)).one()
        named = {item.key for item in named_objects(session)}
    keys = {"images": "datasets/h/images.0.npy", "masks": "datasets/h/masks.0.npy"}
    assert dataset.shards == [keys | {"rows": 70}]
    assert dataset.status_at == dataset.created_at
    assert named == {*keys.values(), "datasets/h/samples.0.parquet"}
    with empty_catalogue.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0013")
        query = text("SELECT images_key, masks_key FROM training_datasets")
        assert connection.execute(query).one() == (keys["images"], keys["masks"])


@pytest.mark.slow
def test_what_was_found_and_said_before_gets_names_and_marks(empty_catalogue: Catalogue) -> None:
    settings = migrations.config()
    with empty_catalogue.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0014")
    with empty_catalogue.engine.begin() as connection:
        for row in (SURVEY, OBSERVATION, RUN):
            connection.execute(text(row))
        for table, values in ROWS:
            columns = [column(name) for name in values]
            connection.execute(insert(sql_table(table, *columns)).values(values))
    empty_catalogue.migrate()
    empty_catalogue.check()
    with empty_catalogue.begin() as session:
        found = session.execute(select(Detection.id, Detection.name).order_by(Detection.id)).all()
        assert [tuple(row) for row in found] == [("d0", "AST25aaaa.2"), ("d1", "AST25aaaa.1")]
        known = session.scalars(select(SkyObject)).one()
        assert (known.name, known.n_named) == ("AST25aaaa", 2)
        # Counting goes on where the migration ended.
        assert new_object_names(session, ["2025-01-01", "2024-01-01"]) == ["AST25aaab", "AST24aaaa"]
        events = session.scalars(select(ValidationEvent).order_by(ValidationEvent.sequence))
        assert [event.score_seen for event in events] == [False, False, False, True]
        votes = session.scalars(select(VoteRow).order_by(VoteRow.reviewer))
        assert [vote.score_seen for vote in votes] == [True, False]


@pytest.mark.slow
def test_the_queue_of_before_is_measured_in_odds(empty_catalogue: Catalogue) -> None:
    with empty_catalogue.engine.begin() as connection:
        settings = migrations.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0030")
    model = "INSERT INTO models (id, name, version, onnx_sha256, onnx_key, metrics, threshold, "
    model += f"created_at) VALUES ('m', 'u', '1', 'x', 'k', '{{}}', 0.9, '{TIME}')"
    item = "INSERT INTO review_items (detection_id, survey, night, queue, uncertainty, is_sample, "
    item += "votes_wanted, n_votes) VALUES (:id, 'sim', '2025-03-01', 'new', :far, false, 1, 0)"
    with empty_catalogue.engine.begin() as connection:
        for line in (SURVEY, OBSERVATION, RUN, model):
            connection.execute(text(line))
        for name, values in ROWS[:6]:
            row = sql_table(name, *(column(key) for key in values))
            connection.execute(insert(row).values(values))
        scored = "UPDATE detections SET score_kind = 'model', model_id = 'm', score = 0.75 "
        connection.execute(text(scored + "WHERE id = 'd0'"))
        for id_, far in (("d0", 0.15), ("d1", None)):
            connection.execute(text(item), {"id": id_, "far": far})
    empty_catalogue.migrate()
    empty_catalogue.check()
    with empty_catalogue.read() as session:
        found = {row.detection_id: row.uncertainty for row in session.scalars(select(ReviewItem))}
    assert found == {"d0": pytest.approx(1 - 3 / 9), "d1": None}


def test_decisions_of_before_follow_each_other_in_their_order(empty_catalogue: Catalogue) -> None:
    with empty_catalogue.engine.begin() as connection:
        settings = migrations.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0022")
    model = "INSERT INTO models (id, name, version, onnx_sha256, onnx_key, metrics, threshold, "
    model += f"created_at) VALUES ('m', 'u', '1', 'x', 'k', '{{}}', 0.5, '{TIME}')"
    with empty_catalogue.engine.begin() as connection:
        connection.execute(text(model))
        for action in ("keep", "deploy", "deploy", "keep", "rollback"):
            row = "INSERT INTO deployments (action, model_id, reason, metrics, created_at) VALUES "
            connection.execute(text(row + f"('{action}', 'm', '', '{{}}', '{TIME}')"))
    empty_catalogue.migrate()
    empty_catalogue.check()
    with empty_catalogue.read() as session:
        rows = session.scalars(select(Deployment).order_by(Deployment.sequence))
        found = [(row.follows, row.scope) for row in rows]
    assert found == [(None, ""), (0, ""), (2, ""), (None, ""), (3, "")]
