"""Datasets in shards: shared by versions, fetched once, the same whoever collects."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sqlalchemy import func, select

from astrid_assets.compute import Compute
from astrid_assets.steps.learning import shards
from astrid_assets.steps.learning.collect import collect_dataset
from astrid_assets.steps.learning.opening import open_dataset
from astrid_assets.steps.learning.settings import CollectionSettings
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.tables.learning import TrainingSample
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.many_labels import ManyLabels

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SETTINGS = CollectionSettings()


class CountingStore(FolderObjectStore):
    """A folder that counts what is fetched from it, and may lose the connection."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: list[str] = []
        self.breaks_at: int | None = None

    def get_to_file(self, key: str, path: Path) -> None:
        """Fetch, and count."""
        if self.breaks_at == len(self.fetched):
            path.with_name(f".{path.name}.{'0' * 32}.part").write_bytes(b"half")
            raise ConnectionError("the network went away")
        self.fetched.append(key)
        super().get_to_file(key, path)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """A catalogue and a store; shards of 64 rows instead of 1024."""
    monkeypatch.setattr(shards, "ROWS", 64)
    monkeypatch.setattr(shards, "MOST_ROWS", 128)
    return Tools(new_catalogue(tmp_path), CountingStore(tmp_path / "store"), Compute())


@pytest.fixture
def sky(tools: Tools) -> ManyLabels:
    return ManyLabels(tools.catalogue, tools.store, frames_per_night=2, per_frame=25)


def test_a_row_that_is_added_changes_its_own_shard_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shards, "ROWS", 64)
    monkeypatch.setattr(shards, "MOST_ROWS", 128)
    rows = [f"detection {number:05d}" for number in range(2000)]

    def contents(rows: list[str]) -> set[tuple[str, ...]]:
        return {tuple(rows[start:stop]) for start, stop in shards.shard_bounds(rows)}

    before = contents(rows)
    assert sum(map(len, before)) == 2000
    assert 2000 / 64 / 2 < len(before) < 2 * 2000 / 64
    assert max(map(len, before)) <= 128
    after = contents(sorted([*rows, "detection 00700b"]))
    assert len(after - before) <= 3


def test_a_version_holds_the_cutouts_of_its_detections_in_the_order_of_its_table(
    tools: Tools, sky: ManyLabels, tmp_path: Path
):
    sky.add_nights(0, 4)
    version = collect_dataset(tools, SETTINGS, created_by="ada")
    arrays = open_dataset(tools, version.row, tmp_path / "work")
    assert len(version.row.shards) > 1
    assert len(arrays.stamps) == version.row.total_samples == 200
    with tools.catalogue.read() as session:
        samples = {s.detection_id: s for s in session.scalars(select(TrainingSample))}
    images = arrays.images(np.arange(200))
    masks = arrays.stamps.masks_of(np.arange(200))
    for row, detection in enumerate(arrays.samples["detection_id"].to_list()):
        key, index = samples[detection].image_path.split("#")
        kept = np.load(io.BytesIO(tools.store.get(key)))[int(index)]
        np.testing.assert_array_equal(images[row], kept)
        assert images[row, 2, 32, 32] == pytest.approx(arrays.samples["score_sigma"][row])
        assert masks[row].any() == (arrays.samples["label"][row] == "real")
    assert arrays.is_real.sum() == version.real.sum()


def test_a_version_that_grew_shares_its_shards_and_they_are_fetched_once(
    tools: Tools, sky: ManyLabels, tmp_path: Path
):
    sky.add_nights(0, 8)
    first = collect_dataset(tools, SETTINGS, created_by="ada").row
    sky.add_nights(8, 2)
    second = collect_dataset(tools, SETTINGS, created_by="ada").row
    keys = [{shard["images"] for shard in row.shards} for row in (first, second)]
    assert len(keys[0] - keys[1]) <= 1
    store = tools.store
    assert isinstance(store, CountingStore)
    for row in (first, second, first):
        open_dataset(tools, row, tmp_path / "work")
    fetched = [key for key in store.fetched if key.startswith("datasets/")]
    assert len(fetched) == len(set(fetched)) == 2 + 2 * len(keys[0] | keys[1])


def test_a_broken_download_goes_on_where_it_ended(tools: Tools, sky: ManyLabels, tmp_path: Path):
    sky.add_nights(0, 6)
    row = collect_dataset(tools, SETTINGS, created_by="ada").row
    store, work = tools.store, tmp_path / "work"
    assert isinstance(store, CountingStore)
    store.fetched.clear()
    store.breaks_at = 2
    with pytest.raises(ConnectionError):
        open_dataset(tools, row, work)
    store.breaks_at = None
    arrays = open_dataset(tools, row, work)
    assert len(store.fetched) == len(set(store.fetched))
    assert len(arrays.images(np.arange(300))) == 300


def test_collecting_again_writes_nothing_new(tools: Tools, sky: ManyLabels):
    sky.add_nights(0, 3)
    first = collect_dataset(tools, SETTINGS, created_by="ada")
    kept = list(tools.store.list("datasets"))
    again = collect_dataset(tools, SETTINGS, created_by="ada")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.row.id == first.row.id
    assert list(tools.store.list("datasets")) == kept
    with tools.catalogue.read() as session:
        assert session.scalar(select(func.count()).select_from(TrainingSample)) == 150


def test_the_table_is_read_column_by_column(tools: Tools, sky: ManyLabels, tmp_path: Path):
    sky.add_nights(0, 3)
    row = collect_dataset(tools, SETTINGS, created_by="ada").row
    manifest = open_dataset(tools, row, tmp_path / "work").manifest
    assert isinstance(manifest, pl.LazyFrame)
    assert manifest.select("split").collect().height == 150
