"""A search whose process is killed goes on in another folder to the same result.

Three searches, each with a Ray of its own: a long proof. `test_tune` cuts one off by an
exception among the ordinary tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from astrid_assets.compute import Compute
from astrid_assets.learning.search.settings import SearchSettings
from astrid_assets.steps.learning.tune import search_settings
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.queries import searches
from astrid_assets.tracking.client import Tracking
from astrid_assets_tests.steps.learning.test_train import SETTINGS, add_dataset
from astrid_assets_tests.steps.learning.test_tune import children_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.learning.search.trials import Trial
    from astrid_assets.steps.learning.search_results import SearchReport
    from astrid_assets.storage.database.tables.learning import Search

pytestmark = [
    pytest.mark.soak,
    pytest.mark.filterwarnings("ignore"),  # Ray about itself, and its open sockets
]

SEARCH = SearchSettings(
    search="bayesian",
    space={"learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}, "base_filters": [2, 4]},
    trials=5,
    grace_epochs=2,
    at_once=1,
)
KILLED_AT_TRIAL = 4  # drawn by what the first three came to


def tools_in(world: Path) -> Tools:
    """Return catalogue and store in a folder."""
    catalogue = Catalogue(f"sqlite:///{world}/catalogue.db")
    return Tools(catalogue, FolderObjectStore(world / "store"), Compute())


def new_world(world: Path) -> Path:
    """Make a catalogue and a store with a dataset."""
    world.mkdir()
    tools = tools_in(world)
    tools.catalogue.migrate()
    add_dataset(tools)
    return world


def searched(
    world: Path, work: Path, on_trial: Callable[[Trial], None] | None = None
) -> SearchReport:
    """Search, or go on."""
    tracking = Tracking(f"sqlite:///{world}/mlflow.db")
    return search_settings(tools_in(world), tracking, SETTINGS, SEARCH, work, on_trial=on_trial)


def search_until_killed(world: str) -> None:
    """Search in this process until it kills itself between two epochs of a trial."""
    begun: set[str] = set()

    def kill(trial: Trial) -> None:
        begun.add(trial.name)
        if len(begun) == KILLED_AT_TRIAL and len(trial.history) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    searched(Path(world), Path(world) / "here", kill)


def kept(world: Path, search: Search) -> list[tuple[object, ...]]:
    """Return number, values, end and epochs of each trial."""
    with tools_in(world).catalogue.read() as session:
        return [
            (row.number, row.values, row.status, [epoch["val_loss"] for epoch in row.history])
            for row in searches.trials_of(session, search.id)
        ]


def test_a_killed_search_goes_on_in_another_folder_to_the_same_result(tmp_path: Path) -> None:
    world, undisturbed = new_world(tmp_path / "killed"), new_world(tmp_path / "undisturbed")
    call = f"from {__name__} import search_until_killed; search_until_killed({str(world)!r})"
    with (tmp_path / "output").open("w") as output:
        # Helpers of Ray outlive it for a while: in a group of their own they can be ended.
        process = subprocess.Popen(
            [sys.executable, "-c", call],
            stdout=output,
            stderr=output,
            start_new_session=True,
            # Ray gives way to whatever else runs, here to the other tests.
            env=os.environ | {"RAY_worker_niceness": "0"},
        )
        try:
            code = process.wait(timeout=300)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert code == -signal.SIGKILL, (tmp_path / "output").read_text()
    with tools_in(world).catalogue.read() as session:
        (cut,) = searches.all_searches(session)
        statuses = [row.status for row in searches.trials_of(session, cut.id)]
    assert cut.status == "running"
    assert statuses[-1] == "running"
    assert "running" not in statuses[:-1]
    assert len(statuses) == KILLED_AT_TRIAL

    later: list[Trial] = []
    found = searched(world, tmp_path / "there", later.append)
    whole = searched(undisturbed, tmp_path / "whole")
    assert found.row.best_settings == whole.row.best_settings
    assert found.row.status == "completed"
    assert kept(world, found.row) == kept(undisturbed, whole.row)
    # The epoch that was done is not done again, the trials that ended are not begun again.
    assert len(later[0].history) == 1
    assert len({trial.name for trial in later}) == SEARCH.trials - KILLED_AT_TRIAL + 1
    tracking = Tracking(f"sqlite:///{world}/mlflow.db")
    children = children_of(tracking, str(found.row.mlflow_run_id))
    assert sorted(children) == [f"trial_{number:03d}" for number in range(1, SEARCH.trials + 1)]
