"""Each number of the health on random items errs as often as it says, and sees what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.learning.random_health import calibration_of, errors_of, purity_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.learning.random_health import HealthFigure

LEVEL = 0.01


def night(rng: np.random.Generator, n: int = 200, bias: float = 0.0) -> tuple[np.ndarray, ...]:
    """Scores of a calibrated model, or of one that promises too much, and what is real."""
    scores = rng.beta(0.3, 0.7, n).clip(1e-6, 1 - 1e-6)
    return scores, rng.random(n) < scores * (1 - bias)


FIGURES: dict[str, Callable[[np.ndarray, np.ndarray], HealthFigure]] = {
    "purity": lambda scores, labels: purity_of(scores, labels, scores >= 0.5, LEVEL),
    "calibration": lambda scores, labels: calibration_of(scores, labels, LEVEL),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_calibrated_model_fails_as_seldom_as_the_level_says(
    name: str, rng: np.random.Generator
) -> None:
    failed = np.mean([not FIGURES[name](*night(rng)).passed for _ in range(1000)])
    assert failed <= LEVEL + 3 * np.sqrt(LEVEL / 1000)
    noticed = np.mean([not FIGURES[name](*night(rng, 400, bias=0.3)).passed for _ in range(100)])
    assert noticed >= 0.8


def test_a_model_that_errs_as_it_did_passes_in_any_mix(rng: np.random.Generator) -> None:
    missed, false_positive = 0.2, 0.02
    for share in (0.02, 0.6):
        failed = []
        for _ in range(1000):
            labels = rng.random(200) < share
            wrong = rng.random(200) < np.where(labels, missed, false_positive)
            figure = errors_of(labels ^ wrong, labels, missed, false_positive, LEVEL)
            failed.append(not figure.passed)
        assert np.mean(failed) <= LEVEL + 3 * np.sqrt(LEVEL / 1000)
    labels = rng.random(400) < 0.3
    worse = rng.random(400) < 0.2
    assert not errors_of(labels ^ worse, labels, missed, false_positive, LEVEL).passed


def test_nothing_called_real_has_no_purity() -> None:
    scores = np.array([0.1, 0.2])
    figure = purity_of(scores, scores > 1, scores > 1, LEVEL)
    assert (figure.value, figure.passed) == (None, None)
