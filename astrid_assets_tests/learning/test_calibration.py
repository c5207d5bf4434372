"""Temperature and calibration error against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.learning.calibration import (
    MIN_TEMPERATURE,
    calibration_error,
    fit_temperature,
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("temperature", [0.7, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature, rng):
    honest = rng.normal(0, 2, 50_000)
    labels = rng.random(50_000) < sigmoid(honest)
    assert fit_temperature(honest * temperature, labels) == pytest.approx(temperature, rel=0.03)


def test_a_perfect_separation_does_not_make_scores_certain():
    logits = np.array([-3.0, -2.0, 2.0, 3.0])
    found = fit_temperature(logits, logits > 0)
    assert found == pytest.approx(MIN_TEMPERATURE, rel=1e-3)


def test_honest_scores_have_no_calibration_error(rng):
    scores = rng.random(100_000)
    assert calibration_error(scores, rng.random(100_000) < scores) < 0.01


def test_scores_that_are_too_sure_are_measured(rng):
    scores = np.full(10_000, 0.95)
    labels = np.arange(10_000) % 4 > 0  # 75 % real
    assert calibration_error(scores, labels) == pytest.approx(0.20)
