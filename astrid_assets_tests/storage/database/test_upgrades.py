"""Catalogues of earlier versions: what they hold is kept, what they lack is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command
from sqlalchemy import inspect, select, text

from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.storage.database.migrations import schema as migrations
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.queries.named_objects import named_objects

if TYPE_CHECKING:
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
