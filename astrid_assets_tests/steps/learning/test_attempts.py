"""Another attempt on the same data and settings has a number, seeds and an identity of its own."""

from __future__ import annotations

import datetime as dt

import pytest

from astrid_assets.compute import Compute
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.steps.learning.attempts import next_attempt
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.tables.learning import TrainingRun
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.sensors.labelled import add_dataset

START = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
SETTINGS = TrainingSettings(epochs=3)


@pytest.fixture
def tools(tmp_path) -> Tools:
    tools = Tools(new_catalogue(tmp_path), FolderObjectStore(tmp_path / "store"), Compute())
    add_dataset(tools.catalogue, 0)
    return tools


def trained(tools: Tools, settings: TrainingSettings, status: str = "completed") -> None:
    with tools.catalogue.begin() as session:
        from astrid_assets.storage.queries import datasets

        dataset = datasets.newest_dataset(session)
        assert dataset is not None
        session.add(
            TrainingRun(
                id=f"{settings.epochs} {settings.attempt}",
                dataset_id=dataset.id,
                training_params=settings.model_dump(mode="json"),
                status=status,
                started_at=START,
            )
        )


def test_the_first_attempt_is_what_every_training_was_before():
    assert "attempt" not in TrainingSettings().model_dump()
    assert TrainingSettings().first_seed == TrainingSettings().seed


def test_attempts_share_no_seed_whatever_their_members():
    seeds = [
        TrainingSettings(attempt=attempt).first_seed + member
        for attempt in (1, 2, 3)
        for member in range(10)
    ]
    assert len(set(seeds)) == len(seeds)


def test_the_next_attempt_follows_those_that_were_completed(tools):
    assert next_attempt(tools, SETTINGS).attempt == 1
    trained(tools, SETTINGS)
    second = next_attempt(tools, SETTINGS)
    assert second.attempt == 2
    # One that was cut off is gone on with, on any number of threads.
    trained(tools, second, status="interrupted")
    assert next_attempt(tools, SETTINGS.model_copy(update={"threads": 4})).attempt == 2


def test_other_settings_have_attempts_of_their_own(tools):
    trained(tools, SETTINGS)
    assert next_attempt(tools, TrainingSettings(epochs=4)).attempt == 1
