"""The deployment decision: floor, S/N ranking, champion; each refuses by itself."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.learning.evaluation import Evaluation, evaluate
from astrid_assets.steps.deploy import decide
from astrid_assets.steps.settings import DeploymentSettings

N = 200
LABELS = np.arange(2 * N) < N


def evaluation(separation: float, rng: np.random.Generator) -> Evaluation:
    """Evaluate scores whose classes lie so many sigma apart; S/N knows nothing."""
    scores = rng.normal(size=2 * N) + separation * LABELS
    snr = rng.uniform(5, 50, 2 * N)
    return evaluate(scores, LABELS, snr, threshold=separation / 2, bootstraps=50)


@pytest.fixture
def good(rng) -> Evaluation:
    return evaluation(3.0, rng)


def test_a_first_good_model_is_deployed(good):
    decision = decide(good, None, DeploymentSettings())
    assert decision.deploy
    assert "first model" in decision.reason


def test_a_model_below_the_floor_is_refused_whatever_the_champion(rng):
    poor = evaluation(0.5, rng)
    decision = decide(poor, None, DeploymentSettings())
    assert not decision.deploy
    assert "floor" in decision.reason


def test_a_model_that_ranks_like_snr_is_refused(rng):
    scores = rng.normal(size=2 * N) + 3.0 * LABELS
    same = evaluate(scores, LABELS, np.exp(scores), threshold=1.5, bootstraps=50)
    decision = decide(same, None, DeploymentSettings())
    assert not decision.deploy
    assert "plain S/N" in decision.reason


def test_a_worse_challenger_leaves_the_champion_in_force(good, rng):
    worse = evaluation(2.2, rng)
    decision = decide(worse, good, DeploymentSettings(min_roc_auc=0.5))
    assert not decision.deploy
    assert "champion" in decision.reason


def test_a_better_challenger_replaces_the_champion(good, rng):
    best = evaluation(5.0, rng)
    assert decide(best, good, DeploymentSettings()).deploy


def test_a_gain_that_is_asked_for_is_asked_for(good, rng):
    best = evaluation(5.0, rng)
    assert not decide(best, good, DeploymentSettings(min_gain=0.5)).deploy


def test_an_equal_challenger_changes_nothing(good):
    assert not decide(good, good, DeploymentSettings()).deploy
