"""Thinning: by hash, every stratum its part, and members stay."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.labelling.thinning import (
    class_sizes,
    order_of,
    strata_of,
    thin,
    training_weights,
)

NAMES = [f"detection {number}" for number in range(2000)]
ORDER = order_of(NAMES)


def test_the_largest_strata_lose_most():
    strata = np.repeat(["rare", "some", "many"], [20, 200, 1780])
    stays = thin(strata, ORDER, 240)
    counts = {name: int(stays[strata == name].sum()) for name in ("rare", "some", "many")}
    assert counts == {"rare": 20, "some": 110, "many": 110}


def test_what_is_left_out_of_a_growing_set_never_comes_back_and_what_stays_was_there(rng):
    strata = rng.choice(["a", "b", "c"], 2000, p=[0.1, 0.3, 0.6])
    before = None
    for size in (400, 700, 1100, 2000):
        kept = set(np.flatnonzero(thin(strata[:size], ORDER[:size], 300)).tolist())
        assert len(kept) == 300
        if before is not None:
            old, old_size = before
            assert {row for row in kept if row < old_size} <= old
        before = kept, size


def test_thinning_does_not_depend_on_the_order_of_the_rows(rng):
    strata = rng.choice(["a", "b", "c"], 2000)
    shuffled = rng.permutation(2000)
    stays = thin(strata, ORDER, 500)
    again = np.zeros(2000, dtype=bool)
    again[shuffled] = thin(strata[shuffled], ORDER[shuffled], 500)
    np.testing.assert_array_equal(again, stays)


def test_all_stay_where_there_are_few():
    assert thin(np.array(["a"] * 7), ORDER[:7], 9).all()
    assert thin(np.array([], dtype=str), ORDER[:0], 9).shape == (0,)


@pytest.mark.parametrize(
    ("real", "bogus", "most", "ratio", "expected"),
    [
        (300, 300, 1000, 9, (300, 300)),
        (600, 900, 1000, 9, (500, 500)),
        (100, 5000, 1000, 9, (100, 900)),
        (100, 5000, 100_000, 9, (100, 900)),
        (100, 5000, 100_000, 500, (100, 5000)),
        (312, 20, 1000, 9, (180, 20)),
        (0, 20, 10, 9, (0, 10)),
    ],
)
def test_classes_keep_within_number_and_ratio(real, bogus, most, ratio, expected):
    assert class_sizes(real, bogus, most=most, max_ratio=ratio) == expected


def test_strata_are_named_by_survey_snr_seeing_and_night():
    strata = strata_of(
        np.array(["a", "a", "b"]),
        np.array([-8.0, 8.5, 8.5]),
        np.array([2.5, 2.5, 2.5]),
        np.array(["n1", "n1", "n1"]),
    )
    assert strata[0] == strata[1] != strata[2]


def test_a_rare_class_weighs_at_least_its_share_and_no_class_loses_weight():
    real = np.arange(1000) < 2
    weights = training_weights(real, np.ones(1000), 0.1)
    assert weights[real].sum() / weights.sum() == pytest.approx(0.1)
    assert (weights[~real] == 1).all()
    balanced = np.arange(1000) < 300
    trust = np.where(balanced, 0.5, 1.0)
    np.testing.assert_array_equal(training_weights(balanced, trust, 0.1), trust)
