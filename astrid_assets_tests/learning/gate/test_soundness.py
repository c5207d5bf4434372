"""Numeric checks of a stored model: each catches what it is there for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.learning.gate.settings import GateSettings
from astrid_assets.learning.gate.soundness import golden, soundness
from astrid_assets.science.detection.measurements import unmeasured

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = GateSettings()
SIDE = 16


class Formula:
    """A model that is one line."""

    def __init__(self, formula: Callable[[np.ndarray], np.ndarray]) -> None:
        self.formula = formula

    def score(self, cutouts: np.ndarray, measurements: np.ndarray | None = None) -> np.ndarray:
        """Return the formula's scores."""
        return self.formula(cutouts).astype(np.float32)


def middle(cutouts: np.ndarray) -> np.ndarray:
    pixel = np.nan_to_num(cutouts[:, 2, SIDE // 2, SIDE // 2].astype(np.float64))
    return 1 / (1 + np.exp(-np.clip(pixel, -30, 30)))


@pytest.fixture
def cutouts(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(5, 3, SIDE, SIDE)).astype(np.float32)


def failed(formula: Callable[[np.ndarray], np.ndarray], cutouts: np.ndarray) -> list[str]:
    return [
        c.name
        for c in soundness(Formula(formula), cutouts, unmeasured(len(cutouts)), SETTINGS)
        if c.passed is False
    ]


def test_a_sound_model_passes(cutouts):
    assert failed(middle, cutouts) == []


def test_nan_weights_are_found(cutouts):
    assert "odd input gives a score from 0 to 1" in failed(
        lambda x: np.full(len(x), np.nan), cutouts
    )


def test_a_score_of_nan_for_a_hole_in_the_frame_is_found(cutouts):
    corner = Formula(lambda x: np.clip(x[:, 2, 0, 0], 0, 1))
    named = soundness(corner, cutouts, unmeasured(len(cutouts)), SETTINGS)[0]
    assert not named.passed
    assert "NaN" in named.detail
    assert "zeros" not in named.detail


class Told(Formula):
    """A model that believes what it is told."""

    def score(self, cutouts: np.ndarray, measurements: np.ndarray | None = None) -> np.ndarray:
        """Return the first measurement."""
        assert measurements is not None
        return np.clip(measurements[:, 0], 0, 1)


def test_a_score_of_nan_for_what_was_not_measured_is_found(cutouts):
    told = np.zeros_like(unmeasured(len(cutouts)))
    named = soundness(Told(middle), cutouts, told, SETTINGS)[0]
    assert not named.passed
    assert named.detail.startswith("no score from 0 to 1 for: measurements of nan;")


def test_logits_are_no_scores(cutouts):
    assert failed(lambda x: 5 + middle(x), cutouts)


def test_a_model_that_draws_lots_is_found(cutouts, rng):
    names = failed(lambda x: rng.random(len(x)), cutouts)
    assert "the same cutouts get the same scores" in names


def test_a_model_that_looks_at_its_neighbours_is_found(cutouts):
    names = failed(lambda x: middle(x) / 2 + middle(x).mean() / 2, cutouts)
    assert names == ["largest difference of a score, alone and among others"]


def test_a_slow_model_is_found(cutouts):
    strict = GateSettings(max_ms_per_cutout=1e-6)
    names = [
        c.name
        for c in soundness(Formula(middle), cutouts, unmeasured(len(cutouts)), strict)
        if c.passed is False
    ]
    assert names == ["time per cutout, ms"]


def test_other_scores_than_those_of_the_training_are_found():
    kept = [0.1, 0.9]
    assert golden(kept, np.array([0.10005, 0.9]), SETTINGS).passed
    assert not golden(kept, np.array([0.1002, 0.9]), SETTINGS).passed
    assert not golden(kept, np.array([np.nan, 0.9]), SETTINGS).passed
    assert golden(None, None, SETTINGS).passed is None
