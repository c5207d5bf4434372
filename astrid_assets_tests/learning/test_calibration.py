"""Calibration against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.learning.calibration import (
    LOG_TEMPERATURE_SIGMA,
    at_prevalence,
    calibration_error,
    fit_calibration,
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("temperature", [0.7, 1.0, 3.0])
@pytest.mark.parametrize("offset", [0.0, -1.5])
def test_the_calibration_that_was_put_in_is_found(temperature, offset, rng):
    honest = rng.normal(0, 2, 50_000)
    labels = rng.random(50_000) < sigmoid(honest)
    found = fit_calibration((honest - offset) * temperature, labels)
    assert found.temperature == pytest.approx(temperature, rel=0.03)
    assert found.offset == pytest.approx(offset, abs=0.05)
    assert found.prevalence == labels.mean()


def test_a_perfect_separation_does_not_make_scores_certain():
    logits = np.array([-6.0, -6.0, 6.0, 6.0])
    scores = fit_calibration(logits, logits > 0).probability(logits)
    # By symmetry without an offset: what is left is the temperature, found on a grid.
    temperature = np.geomspace(0.5, 10, 100_001)
    real = sigmoid(6 / temperature)
    # Two of a kind, and one of either kind that might have been: three of four.
    costs = -4 * (0.75 * np.log(real) + 0.25 * np.log(1 - real))
    best = real[np.argmin(costs + 0.5 * (np.log(temperature) / LOG_TEMPERATURE_SIGMA) ** 2)]
    assert 0.75 < best < sigmoid(6) - 0.01
    np.testing.assert_allclose(scores, [1 - best, 1 - best, best, best], atol=1e-3)


def test_few_cutouts_do_not_move_a_temperature_far(rng):
    honest = rng.normal(0, 2, (200, 30))
    labels = rng.random((200, 30)) < sigmoid(honest)
    found = [fit_calibration(*pair) for pair in zip(honest, labels, strict=True) if pair[1].any()]
    spread = np.std(np.log([one.temperature for one in found]))
    assert spread < LOG_TEMPERATURE_SIGMA


def test_scores_at_another_prevalence_are_bayes_theorem(rng):
    # Two normal distributions one sigma apart to either side: the odds are known.
    def posterior(x, prevalence):
        return sigmoid(2 * x + np.log(prevalence / (1 - prevalence)))

    x = rng.normal(0, 2, 100)
    moved = at_prevalence(posterior(x, 0.5), 0.5, 0.005)
    np.testing.assert_allclose(moved, posterior(x, 0.005), rtol=1e-9)


def test_honest_scores_have_no_calibration_error(rng):
    scores = rng.random(100_000)
    assert calibration_error(scores, rng.random(100_000) < scores) < 0.01


def test_scores_that_are_too_sure_are_measured(rng):
    scores = np.full(10_000, 0.95)
    labels = np.arange(10_000) % 4 > 0  # 75 % real
    assert calibration_error(scores, labels) == pytest.approx(0.20)
