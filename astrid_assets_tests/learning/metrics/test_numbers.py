"""Confusion, reliability, pixels, curves and thresholds against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from astrid_assets.learning.metrics.confusion import confusion, purity_at
from astrid_assets.learning.metrics.curves import curves_of
from astrid_assets.learning.metrics.pixels import PixelCounts
from astrid_assets.learning.metrics.reliability import reliability_of
from astrid_assets.learning.metrics.targets import NoThreshold, choose_threshold
from astrid_assets.learning.settings import ThresholdSettings


def scored(rng, n=400, shift=1.5, mix=0.4):
    labels = rng.random(n) < mix
    return expit(rng.normal(0, 1, n) + shift * labels), labels


def test_the_numbers_of_a_confusion_are_those_of_the_correlation(rng):
    scores, labels = scored(rng)
    called = scores > 0.6
    found = confusion(called, labels)
    assert found.mcc == pytest.approx(np.corrcoef(called, labels)[0, 1])
    purity, completeness = labels[called].mean(), called[labels].mean()
    assert found.f1 == pytest.approx(2 * purity * completeness / (purity + completeness))
    report = found.report()
    assert (report["real"].precision, report["real"].recall) == pytest.approx(
        (purity, completeness)
    )
    assert report["bogus"].precision == pytest.approx((~labels)[~called].mean())
    assert report["bogus"].recall == pytest.approx((~called)[~labels].mean())
    assert report["bogus"].support == (~labels).sum()


def test_all_called_alike_has_no_correlation():
    assert confusion(np.ones(5, dtype=bool), np.arange(5) < 2).mcc == 0.0


def test_purity_of_a_night_is_that_of_a_night_with_so_few_real(rng):
    scores, labels = scored(rng, 20_000, 4.0)
    called = scores > 0.9
    few = labels & (rng.random(20_000) < 0.02)
    night = few | ~labels
    [found] = purity_at([few.sum() / night.sum()], called, labels, None)
    assert found.purity is not None
    assert found.purity.low < few[called & night].mean() < found.purity.high
    assert found.accuracy == pytest.approx((called == few)[night].mean(), abs=0.01)


def test_no_false_positive_among_a_few_is_no_purity_of_one():
    labels = np.arange(60) < 30
    [found] = purity_at([0.005], labels, labels, None)
    assert found.purity is not None
    assert found.purity.value == 1.0
    assert found.purity.low < 0.1


def test_scores_that_are_right_are_off_by_chance_only(rng):
    scores = rng.random(400)
    labels = rng.random(400) < scores
    found = reliability_of(scores, labels)
    assert found.error < found.largest_expected_error
    assert found.expected_error == pytest.approx(found.error, rel=0.6)
    assert sum(part.n for part in found.bins) == 400
    middle = found.bins[5]
    assert middle.real.low < middle.mean_score < middle.real.high


def test_scores_that_promise_too_much_are_found_out(rng):
    scores = rng.random(2000)
    labels = rng.random(2000) < 0.5 + (scores - 0.5) / 2
    found = reliability_of(scores, labels)
    assert found.error == pytest.approx(0.125, abs=0.03)
    assert found.error > 2 * found.largest_expected_error


def test_few_objects_make_more_error_by_chance(rng):
    scores = np.repeat(rng.random(20), 50)
    labels = np.repeat(rng.random(20), 50) < scores
    groups = np.repeat(np.arange(20), 50).astype(str)
    assert (
        reliability_of(scores, labels, groups).expected_error
        > 3 * reliability_of(scores, labels).expected_error
    )


def test_pixels_are_counted_as_if_all_were_there_at_once(rng):
    masks = (rng.random((12, 8, 8)) < 0.2).astype(np.uint8)
    masks[6:] = 0
    probabilities = np.clip(0.6 * masks + 0.4 * rng.random((12, 8, 8)), 0, 1).astype(np.float32)
    probabilities = np.round(probabilities, 2) + np.float32(0.005)
    counted = PixelCounts()
    for start in (0, 5, 10):
        counted.add(probabilities[start : start + 5], masks[start : start + 5])
    found = counted.result()
    real, called = masks.astype(bool), probabilities >= 0.5
    assert found.accuracy == pytest.approx((real == called).mean())
    assert found.intersection_over_union == pytest.approx(
        (real & called).sum() / (real | called).sum()
    )
    assert found.mcc == pytest.approx(np.corrcoef(real.ravel(), called.ravel())[0, 1])
    inside, outside = probabilities[real], probabilities[~real]
    pairs = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
    assert found.roc_auc == pytest.approx(pairs.mean(), abs=1e-6)
    dice = [
        2 * (r & c).sum() / (r.sum() + c.sum()) for r, c in zip(real[:6], called[:6], strict=True)
    ]
    assert found.overlap_median == pytest.approx(np.median(dice))


def test_a_network_that_sees_the_middle_is_judged_on_the_middle():
    masks = np.zeros((1, 64, 64), dtype=np.uint8)
    masks[0, 32, 32] = 1
    seen = np.zeros((1, 16, 16), dtype=np.float32)
    seen[0, 8, 8] = 1.0
    counted = PixelCounts()
    counted.add(seen, masks)
    assert counted.result().f1 == 1.0


def test_curves_are_short_and_go_from_nothing_to_everything(rng):
    scores, labels = scored(rng, 5000)
    found = curves_of(scores, labels, {"rb": np.where(scores > 0.3, scores, np.nan)})
    assert len(found.rankings["rb"].threshold) <= 200
    curve = found.rankings["model"]
    assert len(curve.threshold) <= 200
    assert curve.completeness[-1] == curve.false_positive_rate[-1] == 1.0
    area = np.trapezoid(curve.completeness, curve.false_positive_rate)
    pairs = (scores[labels][:, None] > scores[~labels]).mean()
    assert area == pytest.approx(pairs, abs=0.01)
    assert sum(found.histogram.real) == labels.sum()


def test_the_threshold_separates_what_can_be_separated():
    scores = np.array([0.1, 0.2, 0.3, 0.8, 0.9])
    assert choose_threshold(scores, scores > 0.5).threshold == pytest.approx(0.55)


@pytest.mark.parametrize("mix", [0.5, 0.1])
def test_the_threshold_has_the_best_f1_of_all_at_the_stated_mix(rng, mix):
    scores, labels = scored(rng)
    weights = np.where(labels, mix / labels.mean(), (1 - mix) / (1 - labels.mean()))

    def f1(threshold):
        called = scores >= threshold
        hits = weights[called & labels].sum()
        return 2 * hits / (weights[called].sum() + weights[labels].sum())

    best = max(f1(value) for value in scores)
    chosen = choose_threshold(scores, labels, ThresholdSettings(threshold_prevalence=mix))
    assert f1(chosen.threshold) == pytest.approx(best)


def test_a_set_that_is_mostly_real_does_not_call_everything_real(rng):
    scores, labels = scored(rng, 2000, 1.0, mix=0.87)
    chosen = choose_threshold(scores, labels)
    assert chosen.false_positive_rate.value < 0.7
    # What the mix of the set itself would ask for.
    own = choose_threshold(scores, labels, ThresholdSettings(threshold_prevalence=0.87))
    assert own.false_positive_rate.value > 0.85


def test_a_completeness_that_is_asked_for_is_met_and_no_more(rng):
    scores, labels = scored(rng, 1000)
    chosen = choose_threshold(
        scores,
        labels,
        ThresholdSettings(threshold_target="completeness", threshold_completeness=0.9),
    )
    assert 0.9 <= chosen.completeness.value < 0.9 + 2 / labels.sum()


def test_false_positives_of_a_night_are_bounded(rng):
    scores, labels = scored(rng, 2000)
    target = ThresholdSettings(
        threshold_target="false_positives_per_night", false_positives_per_night=20
    )
    chosen = choose_threshold(scores, labels, target, bogus_per_night=500)
    assert 500 * chosen.false_positive_rate.value == pytest.approx(20, abs=0.5)
    assert chosen.false_positive_rate.high > 20 / 500
    with pytest.raises(NoThreshold, match="backfill"):
        choose_threshold(scores, labels, target)


def test_fewer_false_positives_than_can_be_shown_let_none_pass():
    scores, labels = np.array([0.2, 0.3, 0.8]), np.array([False, True, False])
    target = ThresholdSettings(
        threshold_target="false_positives_per_night", false_positives_per_night=1
    )
    chosen = choose_threshold(scores, labels, target, bogus_per_night=1e6)
    assert chosen.threshold == pytest.approx(0.9)
