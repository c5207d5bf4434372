"""Searching for settings as a step: nothing is lost, and training takes what was found."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from astrid_assets.compute import Compute
from astrid_assets.learning.search.settings import SearchSettings
from astrid_assets.steps.learning.search_results import (
    COORDINATES,
    best_settings,
    cut_off_search,
)
from astrid_assets.steps.learning.settings import NoSearch
from astrid_assets.steps.learning.tune import search_settings
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.learning import Search
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.tracking.client import Tracking
from astrid_assets_tests.steps.learning.test_train import SETTINGS, add_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.learning.search.trials import Trial

pytestmark = pytest.mark.slow

SEARCH = SearchSettings(
    search="bayesian",
    space={
        "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
        "base_filters": [2, 4],
        # The last overflows: its loss is no number.
        "pixel_weight": [1.0, 10.0, 1e39],
    },
    trials=5,
    grace_epochs=2,
    at_once=1,
)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    catalogue = Catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    catalogue.migrate()
    tools = Tools(catalogue, FolderObjectStore(tmp_path / "store"), Compute())
    add_dataset(tools)
    return tools


def row_of(tools: Tools) -> Search:
    with tools.catalogue.read() as session:
        return session.scalars(select(Search)).one()


@pytest.mark.filterwarnings("ignore")  # Ray about itself, and its open sockets
def test_a_search_that_was_cut_off_goes_on_in_another_folder(tools: Tools, tmp_path: Path) -> None:
    tracking = Tracking(f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(NoSearch, match="astrid tune"):
        best_settings(tools, SETTINGS)
    begun: list[Trial] = []

    def cut_off(trial: Trial) -> None:
        begun.append(trial)
        ended = {one.name for one in begun if one.status != "running"}
        if len(ended) >= 2 and trial.status == "running" and len(trial.history) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_settings(tools, tracking, SETTINGS, SEARCH, tmp_path / "here", on_trial=cut_off)
    assert row_of(tools).status == "interrupted"
    assert cut_off_search(tools) == (SETTINGS, SEARCH.model_copy(update={"at_once": None}))
    cut = begun[-1]
    ended = [one for one in begun if one.status != "running"]
    assert len(ended) >= 2
    shutil.rmtree(tmp_path / "here")

    later: list[Trial] = []
    found = search_settings(
        tools, tracking, SETTINGS, SEARCH, tmp_path / "there", on_trial=later.append
    )
    row = row_of(tools)
    assert (row.status, row.reason) == ("completed", None)
    assert len(found.trials) == 5
    assert {one.name for one in ended}.isdisjoint(one.name for one in later)
    # The first epoch came from the store; what goes on knows of it.
    resumed = [one for one in later if one.name == cut.name]
    assert resumed[0].history == cut.history
    assert len(resumed[-1].history) > 1

    lost = [one for one in found.trials if one.values["pixel_weight"] == 1e39]
    assert lost
    for trial in lost:
        assert (trial.status, trial.history) == ("failed", ())
        assert trial.error == (
            "loss or scores are no numbers after epoch 1: the learning rate "
            f"{trial.values['learning_rate']:g} or a weight of the loss may be too high"
        )
    best = found.trials[0]
    assert best.status == "finished"
    assert row.best_settings == best.values
    assert best_settings(tools, SETTINGS) == SETTINGS.model_copy(update=dict(best.values))
    assert found.pictures[COORDINATES].startswith(b"\x89PNG")
    assert list(tools.store.list("checkpoints")) == []

    children = children_of(tracking, str(row.mlflow_run_id))
    assert sorted(children) == [f"trial_{number:03d}" for number in range(1, 6)]
    assert sorted(children.values()).count("FAILED") == len(lost)
    assert search_settings(tools, tracking, SETTINGS, SEARCH, tmp_path / "else").was_known


def children_of(tracking: Tracking, parent: str) -> dict[str, str]:
    """Return the status of the runs below a run of MLflow, by their names."""
    client = tracking.client()
    experiment = client.get_run(parent).info.experiment_id
    below = f"tags.`mlflow.parentRunId` = '{parent}'"
    found = client.search_runs([experiment], filter_string=below)
    return {str(run.info.run_name): str(run.info.status) for run in found}
