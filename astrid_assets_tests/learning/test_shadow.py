"""What would change if one model replaced another, on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ecdf
from sklearn.metrics import cohen_kappa_score

from astrid_assets.learning.shadow import compare_in_shadow


def test_shares_agreement_and_drift_are_those_of_independent_code(rng):
    scores, before = rng.random(500), rng.random(500) ** 2
    found = compare_in_shadow(scores, 0.6, before, 0.4, seconds=2.0)
    now, then = scores >= 0.6, before >= 0.4
    assert (found.n, found.n_finite, found.ms_per_cutout) == (500, 500, 4.0)
    assert (found.called_real, found.called_real_before) == (now.mean(), then.mean())
    assert found.changed == pytest.approx((now != then).mean())
    assert found.agreement == pytest.approx(cohen_kappa_score(now, then))
    at = np.linspace(0, 1, 100_001)
    apart = ecdf(scores).cdf.evaluate(at) - ecdf(before).cdf.evaluate(at)
    assert found.drift == pytest.approx(np.abs(apart).max())


def test_the_same_model_changes_nothing(rng):
    scores = rng.random(50)
    found = compare_in_shadow(scores, 0.5, scores, 0.5, seconds=1.0)
    assert (found.changed, found.agreement, found.drift) == (0, 1, 0)


def test_the_first_model_is_compared_with_none():
    found = compare_in_shadow(np.array([0.2, np.nan]), 0.5, None, 1.0, seconds=1.0)
    assert (found.n, found.n_finite, found.called_real, found.drift) == (2, 1, 0.0, None)
