"""Intervals: known formulas, and how often they hold the truth when much or little is seen."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.stats import binom_conf_interval
from scipy.stats import norm

from astrid_assets.learning.metrics.intervals import (
    Interval,
    area_parts,
    combined,
    difference_interval,
    paired_areas,
    share,
)
from astrid_assets.learning.ranking import gain, rank


def measured(hits: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    found = share(hits, groups)
    assert found is not None
    return found


DRAWS = 120
"""Simulated splits; a coverage of 0.95 is found as 0.95 ± 0.02."""


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (3, 7), (38, 38), (400, 1000)])
def test_a_share_has_wilsons_limits(hits, n):
    found = measured(np.arange(n) < hits)
    low, high = binom_conf_interval(hits, n, confidence_level=0.95, interval="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_nothing_has_no_share():
    assert share(np.zeros(0, dtype=bool)) is None


def test_detections_of_one_object_count_as_the_one_that_they_are(rng):
    hits = np.repeat(rng.random(40) < 0.7, 25)
    groups = np.repeat(np.arange(40), 25).astype(str)
    one_each = measured(hits[::25])
    found = measured(hits, groups)
    assert (found.low, found.high) == pytest.approx((one_each.low, one_each.high), abs=0.01)
    all_hit = measured(np.ones(1000, dtype=bool), groups)
    assert all_hit.low == pytest.approx(measured(np.ones(40, dtype=bool)).low)


def test_detections_that_are_independent_lose_nothing_by_groups(rng):
    hits = rng.random(3000) < 0.5
    found = measured(hits, np.repeat(np.arange(300), 10).astype(str))
    alone = measured(hits)
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.2)


def test_the_variance_of_an_area_is_delongs(rng):
    labels = np.arange(90) < 40
    scores = np.round(rng.normal(size=90) + labels, 1)  # ties
    wins = (scores[labels][:, None] > scores[~labels]) + 0.5 * (
        scores[labels][:, None] == scores[~labels]
    )
    by_real, by_bogus = wins.mean(axis=1), wins.mean(axis=0)
    expected = by_real.var(ddof=1) / 40 + by_bogus.var(ddof=1) / 50
    found = area_parts(scores, labels, None)
    assert found.area == pytest.approx(wins.mean())
    assert found.variance == pytest.approx(expected, rel=0.02)


def test_copies_of_each_detection_prove_nothing_more(rng):
    labels = np.arange(60) < 25
    scores = rng.normal(size=60) + labels
    once = area_parts(scores, labels, None).interval()
    groups = np.repeat(np.arange(60), 10).astype(str)
    often = area_parts(np.repeat(scores, 10), np.repeat(labels, 10), groups).interval()
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_real", "n_bogus", "apart"), [(38, 3, 2.3), (3, 38, 2.3), (100, 100, 2.3), (312, 68, 2.7)]
)
def test_intervals_hold_the_truth_as_often_as_they_say(rng, n_real, n_bogus, apart):
    labels = np.arange(n_real + n_bogus) < n_real
    threshold = np.linspace(-8, 12, 20001)
    completeness, rate = norm.sf(threshold - apart), norm.sf(threshold)
    mix = labels.mean()
    purity = mix * completeness / (mix * completeness + (1 - mix) * rate)
    truth = [
        norm.cdf(apart / np.sqrt(2)),
        float((purity[:-1] * -np.diff(completeness)).sum()),
        norm.sf(norm.isf(0.95) + apart),
        norm.sf(norm.isf(0.01) - apart),
    ]
    held = np.zeros(4)
    for _ in range(DRAWS):
        scores = rng.normal(size=len(labels)) + apart * labels
        found = rank(scores, labels, bootstraps=100).ranking
        held += [
            interval.low <= true <= interval.high
            for true, interval in zip(truth, vars(found).values(), strict=True)
        ]
    assert (held / DRAWS).min() >= 0.91


def test_what_a_handful_separates_is_not_certain():
    labels = np.arange(41) < 38
    found = rank(np.where(labels, 0.9, 0.1) + np.linspace(0, 0.01, 41), labels, bootstraps=200)
    assert found.ranking.roc_auc.value == 1.0
    assert found.ranking.roc_auc.low < 0.8
    assert found.ranking.average_precision.low < 0.99
    # Three bogus cannot show a rate of one in a hundred.
    assert found.ranking.completeness_at_1_fpr.low == pytest.approx(0.0, abs=0.05)


@pytest.mark.slow
def test_the_gain_of_one_score_over_another_holds_the_truth(rng):
    labels = np.arange(300) < 150
    truth = norm.cdf(2.3 / np.sqrt(2)) - norm.cdf(2.0 / np.sqrt(2))
    held = width = 0
    for _ in range(DRAWS):
        common = rng.normal(size=300)
        other = 0.8 * common + 0.6 * rng.normal(size=300)
        a = area_parts(common + 2.3 * labels, labels, None)
        b = area_parts(other + 2.0 * labels, labels, None)
        found = paired_areas(a, b)
        held += found.low <= truth <= found.high
        width += found.high - found.low
        apart = difference_interval(a.interval(), b.interval(), 0.0)
        assert found.high - found.low < apart.high - apart.low
    assert held / DRAWS >= 0.91


def test_a_score_gains_nothing_over_itself(rng):
    labels = np.arange(100) < 50
    scores = rng.normal(size=100) + labels
    found = gain(rank(scores, labels, bootstraps=20), rank(scores, labels, bootstraps=20))
    assert all((part.value, part.low, part.high) == (0, 0, 0) for part in vars(found).values())


def test_a_difference_of_independent_numbers_adds_their_errors_in_squares():
    found = difference_interval(Interval(0.9, 0.87, 0.93), Interval(0.8, 0.76, 0.84), 0.0)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.05, 0.15))


def test_a_function_of_two_numbers_has_the_limits_of_both():
    a, b = Interval(0.5, 0.47, 0.53), Interval(0.2, 0.16, 0.24)
    found = combined(lambda x, y: x - y, a, b)
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.25, 0.35))
