"""Evaluation against slow, independent formulas and known intervals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from astrid_assets.learning.evaluation import compare, evaluate
from astrid_assets.learning.ranking import CannotEvaluate, roc_auc

if TYPE_CHECKING:
    from astrid_assets.learning.metrics.intervals import Interval


def pairs_auc(scores, labels):
    real, bogus = scores[labels][:, None], scores[~labels][None, :]
    return float(((real > bogus) + 0.5 * (real == bogus)).mean())


def step_precision(scores, labels):
    total = 0.0
    recall_before = 0.0
    for value in np.unique(scores)[::-1]:
        called = scores >= value
        recall = (called & labels).sum() / labels.sum()
        purity = (called & labels).sum() / called.sum()
        total += (recall - recall_before) * purity
        recall_before = recall
    return total


def value_of(interval: Interval | None) -> float:
    assert interval is not None
    return interval.value


def scored(rng, n=400, shift=1.5):
    labels = rng.random(n) < 0.4
    scores = rng.normal(0, 1, n) + shift * labels
    return 1 / (1 + np.exp(-scores)), labels


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_the_auc_counts_pairs_with_ties_as_half(rows):
    scores = np.array([score for score, _ in rows], dtype=np.float64)
    labels = np.array([label for _, label in rows])
    assert roc_auc(scores, labels) == pytest.approx(pairs_auc(scores, labels))


def test_all_numbers_equal_the_slow_formulas(rng):
    scores, labels = scored(rng)
    scores = scores.round(2)  # ties
    found = evaluate(scores, labels, rng.normal(0, 9, 400), threshold=0.6, bootstraps=20)
    called = scores >= 0.6
    assert found.model.roc_auc.value == pytest.approx(pairs_auc(scores, labels))
    assert found.model.average_precision.value == pytest.approx(step_precision(scores, labels))
    kept = np.sort(scores[labels])[::-1][int(np.ceil(0.95 * labels.sum())) - 1]
    assert found.model.fpr_at_95_completeness.value == pytest.approx(
        (scores[~labels] >= kept).mean()
    )
    assert found.purity == pytest.approx(labels[called].mean())
    assert found.completeness == pytest.approx(called[labels].mean())
    assert found.accuracy == pytest.approx((called == labels).mean())
    tenth = np.minimum((scores * 10).astype(int), 9)
    off = [abs((scores - labels)[tenth == n].sum()) for n in range(10)]
    assert found.calibration_error == pytest.approx(sum(off) / 400)
    assert found.flat()["calibration_error"] == found.calibration_error
    counts = (
        found.true_positives + found.false_positives,
        found.true_negatives + found.false_negatives,
    )
    assert counts == (called.sum(), (~called).sum())


def test_the_snr_ranking_uses_the_size_of_the_snr(rng):
    scores, labels = scored(rng)
    snr = np.where(labels, -50.0, 6.0) + rng.normal(size=400)
    found = evaluate(scores, labels, snr, threshold=0.5, bootstraps=20)
    assert found.snr_ranking.roc_auc.value == 1.0
    assert found.gain_roc_auc.value == found.model.roc_auc.value - 1.0


def test_a_useless_model_has_no_gain_and_the_interval_says_so(rng):
    labels = rng.random(300) < 0.5
    found = evaluate(rng.random(300), labels, rng.normal(size=300), threshold=0.5)
    assert found.gain_roc_auc.low < 0 < found.gain_roc_auc.high


@pytest.mark.slow
def test_detections_of_few_objects_widen_the_interval(rng):
    objects = np.repeat(np.arange(20), 20)
    labels = objects % 2 == 0
    level = rng.normal(size=20)[objects]
    scores = expit(level + labels + 0.1 * rng.normal(size=400))
    alone = evaluate(scores, labels, scores, threshold=0.5).model.roc_auc
    grouped = evaluate(scores, labels, scores, objects.astype(str), threshold=0.5).model.roc_auc
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert grouped.value == alone.value


@pytest.mark.slow
def test_the_same_input_gives_the_same_evaluation(rng):
    scores, labels = scored(rng)
    snr = rng.normal(0, 9, 400)
    first = evaluate(scores, labels, snr, threshold=0.5)
    assert first == evaluate(scores, labels, snr, threshold=0.5)


def test_slices_show_what_an_average_hides():
    labels = np.array([True] * 90 + [True] * 10 + [False] * 100)
    scores = np.array([0.9] * 90 + [0.1] * 10 + [0.2] * 100)
    kind = np.array(["asteroid"] * 90 + ["variable"] * 10 + [""] * 100)
    snr = np.array([30.0] * 90 + [-6.0] * 10 + [8.0] * 100)
    found = evaluate(
        scores, labels, snr, threshold=0.5, slices={"class": kind}, bootstraps=10
    ).slices
    by_class = {part.name: part for part in found["class"]}
    assert value_of(by_class["asteroid"].completeness) == 1.0
    assert value_of(by_class["variable"].completeness) == 0.0
    assert by_class["variable"].false_positive_rate is None
    assert by_class[""].completeness is None
    # One class: against all of the other.
    assert value_of(by_class["asteroid"].roc_auc) == 1.0
    assert value_of(by_class["variable"].roc_auc) == 0.0
    assert [(part.name, part.n_real, part.n_bogus) for part in found["sign"]] == [
        ("positive", 90, 100),
        ("negative", 10, 0),
    ]
    assert [(part.name, part.n_real) for part in found["snr"]] == [
        ("0-7", 10),
        ("7-10", 0),
        ("20-inf", 90),
    ]


def test_an_evaluation_goes_into_json_and_into_flat_numbers(rng):
    scores, labels = scored(rng)
    found = evaluate(scores, labels, scores, threshold=0.5, bootstraps=20)
    assert json.loads(json.dumps(found.as_dict()))["n_real"] == labels.sum()
    flat = found.flat()
    assert flat["roc_auc_low"] <= flat["roc_auc"] <= flat["roc_auc_high"]
    assert all(isinstance(value, float) for value in flat.values())


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, 0.2], [True, True], "2 real and 0 bogus"),
        ([0.1, np.nan], [True, False], "not finite"),
        ([0.1], [True, False], "scores for"),
    ],
)
def test_what_cannot_be_judged_is_refused(scores, labels, message):
    with pytest.raises(CannotEvaluate, match=message):
        roc_auc(np.array(scores), np.array(labels))


@pytest.mark.slow
def test_a_better_challenger_wins_the_paired_comparison(rng):
    scores, labels = scored(rng, n=600, shift=1.5)
    better = scores + 0.15 * labels
    found = compare(better, scores, labels)
    assert found.roc_auc.low > 0
    assert found.roc_auc.value == pytest.approx(found.challenger_roc_auc - found.champion_roc_auc)
    assert compare(scores, scores, labels).roc_auc.high == 0


def test_a_handful_of_objects_still_gives_finite_intervals(rng):
    objects = np.repeat(["a", "b", "c"], 30)
    labels = objects == "a"
    scores = rng.random(90)
    found = evaluate(scores, labels, scores, objects, threshold=0.5)
    for interval in vars(found.model).values():
        assert 0 <= interval.low <= interval.high <= 1


def test_a_metric_of_ones_own_is_measured_with_an_interval(rng):
    scores, labels = scored(rng)

    def gap(some, are_real):
        return float(some[are_real].mean() - some[~are_real].mean())

    found = evaluate(
        scores, labels, scores, threshold=0.5, bootstraps=20, metrics={"gap": gap}
    ).own_metrics["gap"]
    assert found.value == gap(scores, labels)
    # Standard error of a difference of two means.
    error = np.sqrt(scores[labels].var() / labels.sum() + scores[~labels].var() / (~labels).sum())
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.2)


def test_a_baseline_is_compared_where_it_has_scores(rng):
    scores, labels = scored(rng)
    other = np.where(rng.random(400) < 0.7, rng.normal(size=400), np.nan)
    found = evaluate(
        scores, labels, scores, threshold=0.5, bootstraps=50, baselines={"rb": other}
    ).baselines["rb"]
    known = np.isfinite(other)
    assert found.n == known.sum()
    assert found.model.roc_auc.value == pytest.approx(pairs_auc(scores[known], labels[known]))
    assert found.other.roc_auc.value == pytest.approx(pairs_auc(other[known], labels[known]))
    assert found.gain.roc_auc.low > 0
    nothing = {"rb": np.full(400, np.nan)}
    assert not evaluate(
        scores, labels, scores, threshold=0.5, bootstraps=5, baselines=nothing
    ).baselines
