"""What a search may try, and in which order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from astrid_assets.learning.search.settings import SearchSettings, check_search
from astrid_assets.learning.search.space import (
    DEFAULT_SPACE,
    NOT_SEARCHED,
    BadSpace,
    parse_space,
    with_values,
)
from astrid_assets.learning.settings import TrainingSettings

RATE = {"low": 1e-4, "high": 1e-2, "log": True, "steps": 3}


def test_a_grid_holds_every_combination_with_the_ends_of_its_ranges():
    space = parse_space(
        {"learning_rate": RATE, "batch_size": [16, 32], "depth": {"low": 2, "high": 3}}
    )
    grid = space.grid()
    assert len(grid) == 3 * 2 * 2
    assert len({tuple(values.values()) for values in grid}) == len(grid)
    assert {values["depth"] for values in grid} == {2, 3}
    rates = sorted({float(values["learning_rate"]) for values in grid})
    assert rates == pytest.approx([1e-4, 1e-3, 1e-2])
    assert (rates[0], rates[-1]) == (1e-4, 1e-2)


def test_draws_follow_the_seed_fill_the_range_and_come_once():
    space = parse_space({"learning_rate": RATE, "optimiser": ["adam", "sgd"]})
    draws = space.draws(400, seed=4)
    assert draws == space.draws(400, seed=4)
    assert draws[:3] != space.draws(3, seed=5)
    logs = np.log10([float(values["learning_rate"]) for values in draws])
    # Uniform from -4 to -2: mean -3, standard deviation 2 / sqrt(12).
    assert logs.mean() == pytest.approx(-3, abs=4 * 2 / math.sqrt(12 * 400))
    assert logs.std() == pytest.approx(2 / math.sqrt(12), rel=0.1)
    few = parse_space({"optimiser": ["adam", "sgd"]}).draws(9, seed=0)
    assert sorted(str(values["optimiser"]) for values in few) == ["adam", "sgd"]


def test_whole_numbers_stay_whole():
    space = parse_space({"base_filters": {"low": 4, "high": 6}})
    drawn = {values["base_filters"] for values in space.draws(3, seed=1)}
    assert drawn == {4, 5, 6}
    assert all(isinstance(value, int) for value in drawn)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"learning_rat": [1]}, "learning_rat is no setting"),
        ({"seed": [1, 2]}, "luck"),
        ({"threads": [1, 2]}, "where the training runs"),
        ({"depth": []}, "at least one value"),
        ({"depth": 3}, "write a list"),
        ({"learning_rate": {"low": 1e-2, "high": 1e-3}}, "below its high end"),
        ({"learning_rate": {"low": 0, "high": 1e-3, "log": True}}, "must be above 0"),
        ({"learning_rate": {"low": 1e-3, "high": 1e-2, "step": 2}}, "no step"),
        ({"learning_rate": {"low": "a", "high": 1}}, "needs the numbers"),
        ({"depth": {"low": 1.5, "high": 3}}, "whole number"),
        ({"optimiser": {"low": 1, "high": 2}}, "no number"),
        ({"optimiser": ["adam", "lbfgs"]}, "optimiser cannot be 'lbfgs'"),
        ({"learning_rate": [0.1, 2.0]}, "learning_rate cannot be 2.0"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_a_sentence(table, said):
    with pytest.raises(BadSpace, match=said):
        parse_space(table, TrainingSettings())


def test_every_setting_is_searched_or_has_a_reason_not_to_be():
    assert set(DEFAULT_SPACE) <= set(TrainingSettings.model_fields)
    assert set(NOT_SEARCHED) <= set(TrainingSettings.model_fields)
    assert all(parse_space({}, TrainingSettings()).axes[name] for name in DEFAULT_SPACE)


def test_values_are_checked_as_a_whole():
    assert with_values(TrainingSettings(), {"depth": 2}).depth == 2
    with pytest.raises(ValueError, match="cannot be halved"):
        with_values(TrainingSettings(), {"depth": 5, "size": 48})


@pytest.mark.parametrize(
    ("search", "said"),
    [
        (
            SearchSettings(search="grid", trials=5, space={"depth": [1, 2, 3], "swap": [0.0, 0.5]}),
            "6",
        ),
        (SearchSettings(metric="val_loss", space={"pixel_loss": ["bce", "focal"]}), "val_auc"),
    ],
)
def test_a_search_that_could_not_be_judged_or_ended_is_refused(search, said):
    with pytest.raises(BadSpace, match=said):
        check_search(search, TrainingSettings())
