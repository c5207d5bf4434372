"""Each number of the health on random items errs as often as it says, and sees what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.learning.random_health import (
    calibration_error_of,
    calibration_of,
    errors_of,
    purity_of,
)

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


@pytest.mark.slow
def test_a_calibration_that_is_right_on_average_only_is_seen(rng: np.random.Generator) -> None:
    level = 0.05
    failed = np.mean(
        [not calibration_error_of(*night(rng), level=level).passed for _ in range(300)]
    )
    assert failed <= level + 3 * np.sqrt(level / 300)
    # As many real as the scores promise, but 75 % where they say 95 %, 25 % where 5 %.
    scores = np.repeat([0.05, 0.95], 200)
    labels = rng.permuted(np.tile(np.arange(200) < 50, (2, 1)), axis=1)
    labels = np.concatenate([labels[0], ~labels[1]])
    assert calibration_of(scores, labels, LEVEL).passed
    figure = calibration_error_of(scores, labels, LEVEL)
    assert figure.value == pytest.approx(0.2)
    assert not figure.passed
    # Of ten objects with forty detections each, the same says less.
    assert (figure.limit or 0) < (
        calibration_error_of(scores, labels, LEVEL, np.repeat(np.arange(10), 40).astype(str)).limit
        or 0
    )


def test_nothing_called_real_has_no_purity() -> None:
    scores = np.array([0.1, 0.2])
    figure = purity_of(scores, scores > 1, scores > 1, LEVEL)
    assert (figure.value, figure.passed) == (None, None)
