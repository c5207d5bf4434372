"""The search for training settings, with real Ray."""

from __future__ import annotations

import pytest

from astrid_assets.learning.tuning import SearchSettings, tune
from astrid_assets_tests.learning.conftest import SMALL

pytestmark = pytest.mark.slow  # Lightning alone takes six seconds to import

SEARCH = SearchSettings(
    trials=3,
    base_filters=(2, 4),
    min_learning_rate=1e-5,
    max_learning_rate=1e-2,
    grace_epochs=1,
    cpus=2,
)


@pytest.mark.filterwarnings("ignore")  # Ray about itself, and its open sockets
def test_the_best_trial_becomes_the_settings_and_a_search_is_not_repeated(
    small_training, small_cutouts, tmp_path
):
    settings = SMALL.model_copy(update={"epochs": 2})
    arguments = (
        small_training.stamps,
        small_cutouts.arrays(),
        settings,
        SEARCH,
        tmp_path,
    )
    found = tune(*arguments)
    assert len(found.trials) == 3
    losses = [trial.val_loss for trial in found.trials]
    assert losses == sorted(losses)
    assert found.best.learning_rate == found.trials[0].learning_rate
    assert found.best.base_filters == found.trials[0].base_filters
    assert all(trial.base_filters in {2, 4} for trial in found.trials)
    assert all(1e-5 <= trial.learning_rate <= 1e-2 for trial in found.trials)
    assert len({trial.learning_rate for trial in found.trials}) == 3
    unchanged = {"learning_rate", "base_filters"}
    assert found.best.model_dump(exclude=unchanged) == settings.model_dump(exclude=unchanged)
    checkpoints = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.ckpt")}
    assert len(checkpoints) == 3
    assert tune(*arguments) == found
    assert checkpoints == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.ckpt")}
