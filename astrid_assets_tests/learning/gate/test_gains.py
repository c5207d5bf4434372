"""Paired gains, calls and slices against independent formulas and known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, roc_auc_score

from astrid_assets.learning.gate.gains import PairedGains, paired_calls, paired_gains
from astrid_assets.learning.gate.slice_losses import paired_share_gain, slice_gains
from astrid_assets.learning.metrics.intervals import Z
from astrid_assets_tests.learning.gate.draws import labels_of, scores_of

FEW = 200


def test_each_number_is_that_of_an_independent_formula(rng):
    labels = labels_of(60, 40)
    a, b = np.round(scores_of(rng, labels, 0.9, rng.normal(size=100), models=2), 1)
    gains = paired_gains(a, b, labels, None, partial_fpr=1.0, bootstraps=FEW)
    assert gains.roc_auc.challenger == pytest.approx(roc_auc_score(labels, a))
    assert gains.roc_auc.champion == pytest.approx(roc_auc_score(labels, b))
    assert gains.average_precision.challenger == pytest.approx(average_precision_score(labels, a))
    # Up to a rate of 1 the partial area is the whole one.
    assert gains.partial_roc_auc.challenger == pytest.approx(roc_auc_score(labels, a))


def test_the_partial_area_is_that_of_scikit_learn_without_its_rescaling(rng):
    labels = labels_of(60, 40)
    scores = np.round(scores_of(rng, labels, 0.9, rng.normal(size=100))[0], 1)
    gains = paired_gains(scores, scores, labels, None, partial_fpr=0.13, bootstraps=FEW)
    rescaled = roc_auc_score(labels, scores, max_fpr=0.13)
    lowest, highest = 0.13**2 / 2, 0.13
    plain = lowest + (2 * rescaled - 1) * (highest - lowest)
    assert gains.partial_roc_auc.challenger == pytest.approx(plain / 0.13)


def test_a_model_gains_nothing_over_itself(rng):
    labels = labels_of(60, 40)
    scores = scores_of(rng, labels, 0.9, rng.normal(size=100))[0]
    gains = paired_gains(scores, scores, labels, None, partial_fpr=0.05, bootstraps=FEW)
    for gain in (gains.roc_auc, gains.partial_roc_auc, gains.average_precision):
        assert (gain.gain.value, gain.gain.low, gain.gain.high) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(275, 146), (173, 38)])
def test_intervals_of_equals_hold_zero_as_often_as_they_say(rng, size):
    labels, missed = labels_of(*size), np.zeros(2)
    tries = 30
    for _ in range(tries):
        a, b = scores_of(rng, labels, 0.96, rng.normal(size=len(labels)), models=2)
        gains = paired_gains(a, b, labels, None, partial_fpr=0.05, bootstraps=FEW)
        both = (gains.partial_roc_auc.gain, gains.average_precision.gain)
        missed += [not gain.low <= 0 <= gain.high for gain in both]
    # Three of thirty would be a surprise of one in six at 5 %, six one of one in 300.
    assert (missed <= 5).all()


def test_copies_of_each_row_prove_nothing_where_their_object_is_known(rng):
    labels = labels_of(60, 40)
    a, b = scores_of(rng, labels, 0.9, rng.normal(size=100), models=2)
    once = paired_gains(a, b, labels, None, partial_fpr=0.1, bootstraps=FEW)
    objects = np.repeat(np.arange(100).astype(str), 9)
    many = paired_gains(
        np.repeat(a, 9),
        np.repeat(b, 9),
        np.repeat(labels, 9),
        objects,
        partial_fpr=0.1,
        bootstraps=FEW,
    )
    assert many.roc_auc.error == pytest.approx(once.roc_auc.error, rel=0.05)
    ratio = np.subtract(*_ends(many)) / np.subtract(*_ends(once))
    assert ratio == pytest.approx(1, abs=0.25)


def _ends(gains: PairedGains) -> tuple[float, float]:
    gain = gains.average_precision.gain
    return gain.high, gain.low


def test_few_differing_rows_are_compared_exactly():
    right = np.array([True] * 9 + [False] * 2 + [True] * 20)
    before = np.array([False] * 9 + [True] * 2 + [True] * 20)
    calls = paired_calls(right, before, None)
    assert (calls.only_challenger, calls.only_champion) == (9, 2)
    assert calls.p_value == pytest.approx(binomtest(9, 11).pvalue)


def test_many_differing_rows_are_compared_by_mcnemar():
    right = np.r_[np.ones(60, bool), np.zeros(30, bool), np.ones(500, bool)]
    before = np.r_[np.zeros(60, bool), np.ones(30, bool), np.ones(500, bool)]
    # (60 - 30)² / (60 + 30) = 10 is chi square of one degree of freedom.
    assert paired_calls(right, before, None).p_value == pytest.approx(0.001565, rel=1e-3)


def test_rows_of_one_object_are_one_proof():
    right, before = np.ones(30, bool), np.zeros(30, bool)
    one_star = np.array(["star"] * 30)
    assert paired_calls(right, before, None).p_value < 1e-6
    assert paired_calls(right, before, one_star).p_value == 1


@pytest.mark.parametrize(("n", "share"), [(100, 0.02), (400, 0.1)])
def test_the_interval_of_a_paired_share_holds_the_truth(rng, n, share):
    # Cells: gained, lost, the same.
    drawn = rng.multinomial(n, [share, 2 * share, 1 - 3 * share], size=800)
    held = 0
    for gained, lost, same in drawn:
        right = np.r_[np.ones(gained, bool), np.zeros(lost, bool), np.ones(same, bool)]
        before = np.r_[np.zeros(gained, bool), np.ones(lost, bool), np.ones(same, bool)]
        gain = paired_share_gain(right, before, None, Z)
        held += gain.low <= -share <= gain.high
    assert 0.93 <= held / len(drawn) <= 0.99


def losses(rng, n: int, slices: int, lost: float) -> list[bool]:
    """Return which slices block; the first truly loses so much, others nothing."""
    of = np.repeat(np.arange(slices), n)
    before = rng.random(len(of)) < 0.9
    flips = rng.random(len(of)) < 0.04
    right = before ^ flips
    right[(of == 0) & (rng.random(len(of)) < lost)] = False
    by = {"survey": {str(k): of == k for k in range(slices)}}
    labels = rng.random(len(of)) < 0.5
    found = slice_gains(right, before, labels, None, by, min_rows=100, max_loss=0.05)
    return [gain.blocks for gain in found]


def test_of_many_slices_none_blocks_by_luck(rng):
    blocked = [any(losses(rng, 100, 12, 0.0)) for _ in range(50)]
    assert np.mean(blocked) == 0


def test_a_slice_that_is_lost_blocks(rng):
    blocked = [losses(rng, 300, 12, 0.25) for _ in range(30)]
    assert np.mean([slices[0] for slices in blocked]) >= 0.8


def test_small_slices_do_not_block(rng):
    assert losses(rng, 99, 3, 1.0) == []
