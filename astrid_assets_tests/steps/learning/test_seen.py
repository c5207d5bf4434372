"""Frozen versions: nothing stands on two sides, and no model is judged on what it saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from astrid_assets.steps.learning.collect import DatasetVersion, collect_dataset
from astrid_assets.steps.learning.leaks import leaks_of
from astrid_assets.steps.learning.opening import DatasetArrays, open_dataset
from astrid_assets.steps.learning.seen import UnknownTraining, never_seen, seen_by_none
from astrid_assets.steps.learning.settings import CollectionSettings
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset, TrainingRun
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.science.labelling.test_duplicates import point_sources
from astrid_assets_tests.steps.learning.labelled_sky import store_night, tools_of

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.steps.nights import Tools

pytestmark = pytest.mark.slow

SETTINGS = CollectionSettings(min_samples=10)
COUNT = 60


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return tools_of(new_catalogue(tmp_path), tmp_path)


def cutouts_of(rng: np.random.Generator, count: int = COUNT) -> np.ndarray:
    """Return (count, 3, 64, 64) of noise, with a source in the middle of the last channel."""
    stack = rng.normal(size=(count, 3, 64, 64)).astype(np.float32)
    stack[:, 2, 16:48, 16:48] = point_sources(rng, count, snr=60)
    return stack


def positions(rng: np.random.Generator, count: int = COUNT) -> np.ndarray:
    return np.column_stack([rng.uniform(149, 151, count), rng.uniform(1, 3, count)])


LABELS = ["real", "bogus"] * (COUNT // 2)


def opened(tools: Tools, version: DatasetVersion, folder: Path) -> DatasetArrays:
    return open_dataset(tools, version.row, folder / "work")


def trained_on(tools: Tools, version: DatasetVersion) -> Model:
    """Put a model into the catalogue that was trained on a version."""
    with tools.catalogue.begin() as session:
        name = version.row.id
        session.add(
            TrainingRun(
                id=name, dataset_id=name, training_params={}, status="completed", started_at=now()
            )
        )
        session.flush()
        model = Model(
            id=name,
            name="unet",
            version="1",
            training_run_id=name,
            onnx_sha256=name,
            onnx_key="k",
            metrics={},
            threshold=0.5,
            created_at=now(),
        )
        session.add(model)
    return model


def test_one_file_in_two_surveys_stands_on_one_side(tools, tmp_path, rng):
    cutouts, sky = cutouts_of(rng), positions(rng)
    store_night(tools, cutouts, LABELS, sky, content="file")
    # The second survey solved the same file by its own anchor, 3 degrees away.
    store_night(tools, cutouts, LABELS, sky + 3, survey="again", content="file")
    # And a third has the same exposure in other units, rounded.
    rounded = (1.5 * cutouts).astype(np.float16).astype(np.float32)
    store_night(tools, rounded, LABELS, sky - 3, survey="rounded")
    version = collect_dataset(tools, SETTINGS)
    table = opened(tools, version, tmp_path).samples
    assert len(table) == 3 * COUNT
    sides = table.group_by("group").agg(pl.col("split").n_unique(), pl.len())
    assert sides["split"].to_list() == [1] * COUNT
    assert sides["len"].to_list() == [3] * COUNT
    leaks = leaks_of(opened(tools, version, tmp_path))
    assert leaks.total == 0, str(leaks)


def test_a_leak_in_a_frozen_version_is_found(tools, tmp_path, rng):
    cutouts, sky = cutouts_of(rng), positions(rng)
    store_night(tools, cutouts, LABELS, sky)
    store_night(tools, cutouts, LABELS, sky, survey="again")
    version = collect_dataset(tools, SETTINGS)
    arrays = opened(tools, version, tmp_path)
    shuffled = arrays.samples.with_columns(pl.col("split").shuffle(seed=1))
    leaks = leaks_of(DatasetArrays(arrays.row, arrays.stamps, shuffled.lazy()))
    assert leaks.positions > COUNT / 2
    assert leaks.pixels == leaks.near_duplicates == leaks.positions


def test_test_rows_of_a_grown_version_are_new_to_an_earlier_model(tools, tmp_path, rng):
    store_night(tools, cutouts_of(rng), LABELS, positions(rng))
    model = trained_on(tools, collect_dataset(tools, SETTINGS))
    store_night(tools, cutouts_of(rng), LABELS, positions(rng), night="2025-03-05")
    arrays = opened(tools, collect_dataset(tools, SETTINGS), tmp_path)
    assert len(arrays.samples) == 2 * COUNT
    np.testing.assert_array_equal(never_seen(tools, model, arrays), arrays.indices("test"))


def test_rows_that_a_merge_moved_into_the_test_split_are_not_new(tools, tmp_path, rng):
    cutouts, sky = cutouts_of(rng), positions(rng)
    store_night(tools, cutouts, LABELS, sky)
    first = collect_dataset(tools, SETTINGS)
    model = trained_on(tools, first)
    before = opened(tools, first, tmp_path).samples
    train, test = (
        before.filter(pl.col("split") == side)["ra_deg"].to_numpy() for side in ("train", "test")
    )
    # A copy of each of three test cutouts, at the positions of three that were trained on.
    row_of = {ra: row for row, ra in enumerate(sky[:, 0].tolist())}
    trained, tested = ([row_of[ra] for ra in some[:3].tolist()] for some in (train, test))
    store_night(
        tools, cutouts[tested], [LABELS[row] for row in tested], sky[trained], night="2025-03-05"
    )
    version = collect_dataset(tools, SETTINGS)
    assert sorted(move.after for move in version.moves) == ["test"] * 3
    arrays = opened(tools, version, tmp_path)
    after = arrays.samples
    moved = after.filter(pl.col("ra_deg").is_in(sky[trained, 0]))
    assert set(moved["split"].to_list()) == {"test"}
    rows = never_seen(tools, model, arrays)
    unseen = after[rows]["ra_deg"].to_list()
    # The three groups are gone from the comparison, the rest of the test split stays.
    assert len(rows) == len(test) - 3
    assert not set(unseen) & {*sky[trained, 0].tolist(), *sky[tested, 0].tolist()}
    newest = trained_on(tools, version)
    np.testing.assert_array_equal(seen_by_none(tools, [newest, model], arrays), rows)
    assert leaks_of(arrays).total == 0


def test_a_version_without_memory_is_compared_by_detection_and_position(tools, tmp_path, rng):
    store_night(tools, cutouts_of(rng), LABELS, positions(rng))
    version = collect_dataset(tools, SETTINGS)
    arrays = opened(tools, version, tmp_path)
    # As versions of before were: no groups, no positions, and another split.
    old = arrays.samples.select(
        "detection_id", "object_id", pl.lit("train").alias("split"), "label", "survey"
    ).head(50)
    model = trained_on(tools, version)
    key = tmp_path / "old.parquet"
    old.write_parquet(key)
    with tools.catalogue.begin() as session:
        row = session.get_one(TrainingDataset, version.row.id)
        row.samples_key = tools.store.put("old", key.read_bytes(), ".parquet")
    rows = never_seen(tools, model, arrays)
    assert set(rows.tolist()) == {row for row in arrays.indices("test").tolist() if row >= 50}


def test_nothing_is_new_to_a_model_of_unknown_training(tools, tmp_path, rng):
    store_night(tools, cutouts_of(rng), LABELS, positions(rng))
    arrays = opened(tools, collect_dataset(tools, SETTINGS), tmp_path)
    model = Model(
        id="m",
        name="unet",
        version="7",
        onnx_sha256="s",
        onnx_key="k",
        metrics={},
        threshold=0.5,
        created_at=now(),
    )
    with pytest.raises(UnknownTraining, match="version 7"):
        never_seen(tools, model, arrays)
