"""The share of real in a night, from scores alone, against nights of known truth."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.learning.calibration import at_prevalence
from astrid_assets.learning.prevalence import estimate_prevalence, expected_night

KNOWN = 0.4


def night(rng, n, share, apart=3.5):
    """Scores that are exactly right at prevalence `KNOWN`, and what they belong to."""
    labels = rng.random(n) < share
    x = rng.normal(size=n) + apart * labels
    odds = np.exp(apart * x - apart**2 / 2) * KNOWN / (1 - KNOWN)
    return odds / (1 + odds), labels


def em(scores, known, rounds):
    share = known
    for _ in range(rounds):
        share = at_prevalence(scores, known, share).mean()
    return share


def test_the_estimate_is_where_em_comes_to_rest(rng):
    scores, _ = night(rng, 500, 0.1)
    assert estimate_prevalence(scores, KNOWN).value == pytest.approx(
        em(scores, KNOWN, 200), abs=1e-6
    )


def test_a_night_with_one_real_in_two_hundred_is_recognised(rng):
    held, purities = 0, []
    for _ in range(60):
        scores, labels = night(rng, 4000, 1 / 200)
        found = expected_night(scores, KNOWN, 0.9)
        held += found.prevalence.low <= labels.mean() <= found.prevalence.high
        assert found.purity is not None
        purities.append((found.purity.value, labels[scores >= 0.9].mean()))
    # The truth drawn is nearer to the estimate than the share that it was drawn from.
    assert held >= 55
    expected, true = np.array(purities).T
    assert expected.mean() == pytest.approx(true.mean(), abs=0.03)
    assert np.abs(expected - true).max() < 0.3
    # Of the set that calibrated the scores nine in ten would be real there.
    assert true.mean() < 0.6


@pytest.mark.parametrize(("score", "share"), [(1e-6, 0.0), (1 - 1e-6, 1.0)])
def test_a_night_of_one_class_is_recognised(score, share):
    found = expected_night(np.full(50, score), KNOWN, 0.5)
    assert found.prevalence.value == share
    assert found.prevalence.high - found.prevalence.low < 0.1
    assert (found.purity is None) == (share == 0.0)


def test_scores_of_exactly_0_and_1_are_taken():
    found = estimate_prevalence(np.array([1.0] * 30 + [0.0] * 70), KNOWN)
    assert found.value == pytest.approx(0.3)
    assert found.low < 0.23
    assert found.high > 0.38


def test_nothing_has_no_prevalence():
    with pytest.raises(ValueError, match="no scores"):
        estimate_prevalence(np.empty(0), KNOWN)
