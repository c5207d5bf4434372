"""How trials are judged, kept apart, and handed to Ray's search and scheduler."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from astrid_assets.learning.search.algorithms import (
    _NO_CONTROLLER,
    _Past,
    asha_scheduler,
    bayesian_search,
    waiting_values,
)
from astrid_assets.learning.search.importance import importance_of
from astrid_assets.learning.search.settings import SearchSettings
from astrid_assets.learning.search.space import parse_space
from astrid_assets.learning.search.trials import Ledger, Trial, name_of, objective, ranked
from astrid_assets.learning.settings import TrainingSettings

SPACE = parse_space({"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "depth": [2, 3]})
SEARCH = SearchSettings(trials=12, grace_epochs=1)


def epochs(*areas: float, losses: tuple[float, ...] | None = None) -> tuple[dict[str, float], ...]:
    """Return a history with these val AUCs; without losses they fall all the time."""
    losses = losses or tuple(1.0 / (1 + number) for number in range(len(areas)))
    return tuple(
        {"epoch": float(n), "val_auc": area, "val_loss": loss, "val_candidate_loss": loss}
        for n, (area, loss) in enumerate(zip(areas, losses, strict=True))
    )


def trial(values: dict, status: str = "finished", *areas: float) -> Trial:
    return Trial(name=name_of(values), values=values, status=status, history=epochs(*areas))  # pyright: ignore[reportArgumentType]


def test_a_trial_is_judged_by_the_epoch_that_a_training_keeps_not_by_its_luckiest():
    history = epochs(0.99, 0.9, 0.95, losses=(0.5, 0.2, 0.3))
    assert objective(history, "val_auc") == 0.9
    assert math.isnan(objective((), "val_auc"))


def test_what_was_cut_off_early_does_not_win_against_what_came_to_its_end():
    whole, lucky = trial({"depth": 2}, "finished", 0.8, 0.9), trial({"depth": 3}, "stopped", 0.95)
    lost = trial({"depth": 4}, "failed", 0.99)
    assert ranked([lucky, lost, whole], "val_auc") == [whole, lucky]


def test_a_ledger_follows_the_events_and_survives_json():
    seen: list[Trial] = []
    ledger = Ledger(seen.append)
    values = {"depth": 2}
    event = {"name": name_of(values), "values": values}
    ledger(event | {"what": "begin"})
    for metrics in epochs(0.5, 0.6):
        ledger(event | {"what": "epoch", "metrics": metrics, "seconds": 2.0})
    # Resumed: the epochs of before are reported again.
    ledger(event | {"what": "epoch", "metrics": epochs(0.5)[0], "seconds": 0.0})
    assert len(seen[-1].history) == 1
    ledger(event | {"what": "epoch", "metrics": epochs(0.5, 0.6)[1], "seconds": 0.0})
    ledger(event | {"what": "end", "status": "finished", "error": None})
    found = ledger.trials[name_of(values)]
    assert (found.status, found.history, found.seconds) == ("finished", epochs(0.5, 0.6), 4.0)
    assert Trial.from_dict(found.as_dict()) == found
    assert [one.status for one in seen] == ["running"] * 5 + ["finished"]


def test_a_grid_or_a_random_search_goes_on_with_what_is_left_cut_off_trials_first():
    grid = SearchSettings(search="grid", space={"depth": [1, 2, 3, 4]})
    space = parse_space(grid.space)
    known = [trial({"depth": 1}, "finished", 0.9), trial({"depth": 3}, "running", 0.8)]
    assert waiting_values(grid, space, known) == [{"depth": 3}, {"depth": 2}, {"depth": 4}]
    random = SearchSettings(search="random", trials=6, seed=3)
    draws = SPACE.draws(6, 3)
    known = [trial(draws[0], "failed")]
    assert waiting_values(random, SPACE, known) == draws[1:]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Optuna about what may change
def test_bayes_goes_where_known_trials_did_well_after_what_was_cut_off():
    rng = np.random.default_rng(0)
    known = []
    for values in SPACE.draws(10, 1):
        # The best learning rate is 1e-3.
        area = 0.9 - 0.2 * abs(math.log10(float(values["learning_rate"])) + 3)
        known.append(trial(values, "finished", area + rng.normal(0, 1e-3)))
    cut = {"depth": 3, "learning_rate": 5e-4}
    found = bayesian_search(SEARCH, SPACE, [cut], known)
    first = found.suggest("a")
    assert first is not None
    assert first["values"] == cut
    drawn = []
    for number in range(40):
        suggested = found.suggest(f"b{number}")
        assert suggested is not None
        drawn.append(math.log10(suggested["values"]["learning_rate"]))
        found.on_trial_complete(f"b{number}", {"objective": 0.9 - 0.2 * abs(drawn[-1] + 3)})
    # Uniform draws lie 0.5 away in the mean.
    assert np.mean(np.abs(np.array(drawn) + 3)) < 0.35


@pytest.mark.slow
def test_asha_stops_a_trial_that_is_worse_than_those_of_an_earlier_call():
    settings = TrainingSettings(epochs=9)
    good = [trial({"depth": 2, "swap": n / 10}, "finished", 0.9, 0.95) for n in range(6)]
    for known, expected in ((good, "STOP"), ([], "CONTINUE")):
        asha = asha_scheduler(settings, SEARCH, SPACE, known)
        new: Any = _Past("new")
        asha.on_trial_add(_NO_CONTROLLER, new)
        told = asha.on_trial_result(_NO_CONTROLLER, new, {"epochs_done": 1, "objective": 0.6})
        assert told == expected


@pytest.mark.slow
def test_importance_finds_the_setting_that_matters():
    rng = np.random.default_rng(2)
    trials = []
    for values in SPACE.draws(40, 5):
        area = 0.5 + 0.2 * (math.log10(float(values["learning_rate"])) + 4) / 2
        trials.append(trial(values, "finished", area + rng.normal(0, 1e-3)))
    found = importance_of(SPACE, [*trials, trial({"depth": 2}, "failed")], "val_auc")
    assert found is not None
    assert list(found) == ["learning_rate", "depth"]
    assert found["learning_rate"] > 0.95
    assert sum(found.values()) == pytest.approx(1)
    assert importance_of(SPACE, trials[:4], "val_auc") is None
