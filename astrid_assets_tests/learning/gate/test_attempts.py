"""The chance of error of a series of attempts, and the power of one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from astrid_assets.learning.gate.attempts import (
    level_of_attempt,
    power_of,
    z_of,
)
from astrid_assets.learning.gate.gains import Gain
from astrid_assets.learning.metrics.intervals import Z, area_parts, paired_areas
from astrid_assets_tests.learning.gate.draws import expected_error, labels_of, scores_of

DEMO, LARGE = (275, 146), (2368, 1560)
TOTAL = 0.05


def gain_of(challenger, champion, labels) -> Gain:
    areas = [area_parts(scores, labels, None) for scores in (challenger, champion)]
    return Gain(areas[0].area, areas[1].area, paired_areas(*areas))


def plain_z(challengers: np.ndarray, champion: np.ndarray, n_real: int) -> np.ndarray:
    """Return DeLong's z of many challengers at once, by ranks; the real come first."""

    def placed(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ranks = scores.argsort(axis=1).argsort(axis=1) + 1
        m, n = n_real, scores.shape[1] - n_real
        among = scores[:, :m].argsort(axis=1).argsort(axis=1) + 1
        others = scores[:, m:].argsort(axis=1).argsort(axis=1) + 1
        return (ranks[:, :m] - among) / n, 1 - (ranks[:, m:] - others) / m

    real, bogus = placed(challengers)
    real_before, bogus_before = placed(champion[None])
    by_real, by_bogus = real - real_before, bogus - bogus_before
    variance = by_real.var(axis=1, ddof=1) / by_real.shape[1]
    variance += by_bogus.var(axis=1, ddof=1) / by_bogus.shape[1]
    return by_real.mean(axis=1) / np.sqrt(variance)


def test_all_attempts_together_spend_the_chance_of_error():
    spent = sum(level_of_attempt(k, TOTAL) for k in range(1, 100_001))
    assert spent < TOTAL
    assert spent == pytest.approx(TOTAL, rel=1e-4)


def test_attempts_are_counted_from_one():
    with pytest.raises(ValueError, match="counted from 1"):
        level_of_attempt(0, TOTAL)


@pytest.mark.parametrize(
    ("series", "at_most"),
    [
        pytest.param(200, 16, marks=pytest.mark.slow),
        pytest.param(1000, 50, marks=pytest.mark.soak),
    ],
)
def test_equal_retrainings_replace_the_champion_in_at_most_one_series_of_twenty(
    rng, series, at_most
):
    labels = labels_of(*DEMO)
    limits = np.array([z_of(level_of_attempt(k, TOTAL)) for k in range(1, 101)])
    swapped, confirmed = 0, 0
    for _ in range(series):
        shared = rng.normal(size=len(labels))
        champion = scores_of(rng, labels, 0.96, shared)[0]
        challengers = scores_of(rng, labels, 0.96, shared, models=100)
        z = plain_z(challengers, champion, DEMO[0])
        swaps = False
        # The intervals of the gate are wider than DeLong's: most attempts are far off.
        for k in np.flatnonzero(z > 0.95 * limits):
            confirmed += 1
            swaps |= gain_of(challengers[k], champion, labels).lower_end(limits[k]) > 0
        swapped += swaps
    assert confirmed > 0
    # In 200 series the 16th would be a surprise of one in forty at 5 %.
    assert swapped <= at_most


@pytest.mark.slow
def test_the_intervals_of_the_gate_are_at_least_as_wide_as_delong(rng):
    labels = labels_of(*DEMO)
    for _ in range(100):
        shared = rng.normal(size=len(labels))
        champion, challenger = scores_of(rng, labels, 0.96, shared, models=2)
        z = plain_z(challenger[None], champion, DEMO[0])[0]
        gain = gain_of(challenger, champion, labels)
        assert gain.gain.value / gain.error <= z + 0.05 * abs(z)


@pytest.mark.parametrize(
    ("size", "at_first", "at_tenth", "smallest"),
    [(LARGE, 0.97, 0.7, 0.009), (DEMO, 0.25, 0.01, 0.025)],
)
def test_what_gain_a_judging_set_shows(size, at_first, at_tenth, smallest):
    error = expected_error(0.96, *size, correlation=0.65)
    first, tenth = power_of(error, 1, TOTAL), power_of(error, 10, TOTAL)
    assert first.chance > at_first
    assert tenth.chance > at_tenth
    assert first.smallest_gain < smallest
    assert power_of(error, 1, TOTAL, first.smallest_gain).chance == pytest.approx(0.8)


@pytest.mark.slow
@pytest.mark.parametrize("size", [DEMO, LARGE])
def test_a_model_that_gains_a_hundredth_is_deployed_as_often_as_promised(rng, size):
    labels, tries = labels_of(*size), 200 if size == DEMO else 60
    z, passed, promised = z_of(level_of_attempt(1, TOTAL)), [], []
    for _ in range(tries):
        shared = rng.normal(size=len(labels))
        better = scores_of(rng, labels, 0.96, shared)[0]
        gain = gain_of(better, scores_of(rng, labels, 0.95, shared)[0], labels)
        passed.append(gain.lower_end(z) > 0)
        promised.append(power_of(gain.error, 1, TOTAL).chance)
    assert np.mean(passed) == pytest.approx(np.mean(promised), abs=0.12)
    assert np.mean(passed) > (0.2 if size == DEMO else 0.9)


@pytest.mark.slow
@pytest.mark.parametrize(("worse", "at_most"), [(0.949, 0.005), (0.94, 0.002)])
def test_a_worse_model_is_hardly_ever_called_better(rng, worse, at_most):
    labels = labels_of(*DEMO)
    z, called = z_of(level_of_attempt(1, TOTAL)), []
    for _ in range(500):
        shared = rng.normal(size=len(labels))
        champion = scores_of(rng, labels, 0.96, shared)[0]
        challenger = scores_of(rng, labels, worse, shared)[0]
        # The gate's own intervals are wider than these.
        called.append(plain_z(challenger[None], champion, DEMO[0])[0] > z)
    assert np.mean(called) <= at_most


@pytest.mark.slow
@pytest.mark.parametrize("size", [(173, 38), (60, 3)])
def test_equals_pass_as_often_as_the_level_says_also_with_few_of_a_class(rng, size):
    labels = labels_of(*size)
    called = []
    for _ in range(400):
        shared = rng.normal(size=len(labels))
        challenger, champion = scores_of(rng, labels, 0.96, shared, models=2)
        called.append(gain_of(challenger, champion, labels).lower_end(Z) > 0)
    assert np.mean(called) <= 0.045
    assert ndtr(-Z) == pytest.approx(0.025)
