"""The verdict stands on the version: who may train on it, and what changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.compute import Compute
from astrid_assets.steps.learning.collect import collect_dataset
from astrid_assets.steps.learning.judging import judge_version
from astrid_assets.steps.learning.opening import require_dataset
from astrid_assets.steps.learning.settings import CollectionSettings, NoDataset
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.database.upsert import columns_of
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.queries import dataset_states, datasets
from astrid_assets.storage.queries.dataset_states import UnusableVersion
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.many_labels import ManyLabels

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

GOOD = CollectionSettings()
STRICT = CollectionSettings(min_anomaly_ratio=0.8)
"""Limits that no set of halves passes."""


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    store = open_object_store(str(tmp_path / "store"))
    made = Tools(new_catalogue(tmp_path), store, Compute())
    ManyLabels(made.catalogue, store, frames_per_night=2, per_frame=35).add_nights(0, 1)
    return made


def more(tools: Tools, night: int) -> None:
    ManyLabels(tools.catalogue, tools.store, per_frame=3).add_nights(night, 1)


def collected(tools: Tools, folder: Path, settings: CollectionSettings = GOOD) -> TrainingDataset:
    made = collect_dataset(tools, settings, created_by="ada")
    return judge_version(tools, made, settings, folder, by="ada")[0].row


def state(tools: Tools, row: TrainingDataset) -> str:
    with tools.catalogue.read() as session:
        return session.get_one(TrainingDataset, row.id).status


def test_a_version_that_was_not_judged_yet_is_refused(tools: Tools):
    row = collect_dataset(tools, GOOD, created_by="ada").row
    assert row.status == "refused"
    with pytest.raises(NoDataset, match="not judged"):
        require_dataset(tools, row.id)
    with pytest.raises(NoDataset, match="not judged"):
        require_dataset(tools)


def test_a_refused_version_is_marked_with_its_reason_and_nobody_trains_on_it(
    tools: Tools, tmp_path: Path
):
    row = collected(tools, tmp_path, STRICT)
    assert row.status == "refused"
    assert row.status_reason is not None
    assert "label_balance" in row.status_reason
    assert row.status_by == "ada"
    for asked in (None, row.id, row.content_hash[:10]):
        with pytest.raises(NoDataset, match=r"was refused by ada on .*label_balance"):
            require_dataset(tools, asked)


def test_a_newer_version_supersedes_and_a_refused_one_does_not(tools: Tools, tmp_path: Path):
    first = collected(tools, tmp_path)
    more(tools, 1)
    second = collected(tools, tmp_path)
    more(tools, 2)
    third = collected(tools, tmp_path, STRICT)
    states = [state(tools, row) for row in (first, second, third)]
    assert states == ["superseded", "active", "refused"]
    assert require_dataset(tools).id == second.id
    assert require_dataset(tools, first.id).id == first.id


def test_a_retired_version_gives_way_to_the_one_before_it(tools: Tools, tmp_path: Path):
    first = collected(tools, tmp_path)
    more(tools, 1)
    second = collected(tools, tmp_path)
    with tools.catalogue.begin() as session:
        dataset_states.retire_version(session, second.id, "its flat was wrong", "bob")
    assert require_dataset(tools).id == first.id
    with pytest.raises(NoDataset, match=r"was retired by bob on .*: its flat was wrong"):
        require_dataset(tools, second.id)
    assert collected(tools, tmp_path).status == "retired", "collecting does not bring it back"
    with tools.catalogue.begin() as session:
        for dataset, reason, message in (
            (second.id, "again", "was retired by bob"),
            (first.id, " ", "say why"),
            ("x", "y", "there is no dataset x"),
        ):
            with pytest.raises(UnusableVersion, match=message):
                dataset_states.retire_version(session, dataset, reason, "bob")


def test_collecting_again_changes_nothing_of_a_frozen_row(tools: Tools, tmp_path: Path):
    first = columns_of(collected(tools, tmp_path))
    again = collect_dataset(
        tools, GOOD.model_copy(update={"description": "other words"}), created_by="bob"
    )
    judged = judge_version(tools, again, GOOD, tmp_path, by="bob")[0].row
    assert columns_of(judged) == first
    assert first["created_by"] == "ada"
    assert "70 labelled cutouts" in str(first["description"])


def test_what_is_collected_again_after_a_newer_one_is_active_again(tools: Tools, tmp_path: Path):
    first = collected(tools, tmp_path)
    more(tools, 1)
    second = collected(tools, tmp_path)
    only_first = GOOD.model_copy(update={"end": "2025-03-01"})
    assert collected(tools, tmp_path, only_first).id == first.id
    assert [state(tools, row) for row in (first, second)] == ["active", "superseded"]
    assert require_dataset(tools).id == first.id


def test_versions_are_found_by_the_beginning_of_their_id_or_hash(tools: Tools, tmp_path: Path):
    row = collected(tools, tmp_path)
    with tools.catalogue.read() as session:
        for text in (row.id, row.id[:6].upper(), row.content_hash[:8]):
            found = datasets.find_dataset(session, text)
            assert found is not None
            assert found.id == row.id
        assert datasets.find_dataset(session, "%") is None
        assert [r.id for r in datasets.all_datasets(session, status="active")] == [row.id]
        assert datasets.all_datasets(session, name="another") == []


def test_the_same_labels_under_other_limits_are_another_version(tools: Tools, tmp_path: Path):
    refused = collected(tools, tmp_path, STRICT)
    good = collected(tools, tmp_path)
    assert good.id != refused.id
    assert [state(tools, row) for row in (refused, good)] == ["refused", "active"]
    assert good.collection_params["min_anomaly_ratio"] == GOOD.min_anomaly_ratio
