"""Drift is what stands out of the nights before, not what their scatter explains."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from astrid_assets.learning.drift import (
    NOISE,
    chance_of_all,
    drift_of,
    largest_gap,
    median_interval,
)


def test_the_difference_is_that_of_kolmogorov_less_its_noise(rng: np.random.Generator) -> None:
    first, second = np.round(rng.normal(size=120), 1), np.round(rng.normal(1, 1, 300), 1)
    # Tenths, so that both distributions change at the same values.
    at = np.arange(-60, 70) / 10
    shares = [(one[:, None] <= at + 1e-9).mean(axis=0) for one in (first, second)]
    expected = np.abs(shares[0] - shares[1]).max() - NOISE * np.sqrt(1 / 120 + 1 / 300)
    assert largest_gap(first, second) == pytest.approx(expected)
    assert largest_gap(first, first) == 0


def test_the_interval_of_a_median_holds_it_in_95_of_100_cases() -> None:
    assert median_interval(np.arange(5.0)) is None
    for n in (6, 9, 30, 200):
        low, high = median_interval(np.arange(float(n))) or (0, 0)
        # The true median lies between two values if the count of smaller ones does.
        covered = sum(comb(n, k) for k in range(int(low) + 1, int(high) + 1)) / 2**n
        assert 0.95 <= covered <= 0.999
        assert n < 30 or covered <= 0.985


def nights(
    rng: np.random.Generator, n: int, *, scatter: float = 0.5, shift: float = 0.0
) -> list[np.ndarray]:
    """Nights of 40 to 400 detections whose mean differs from night to night."""
    return [rng.normal(rng.normal(shift, scatter), 1, int(rng.integers(40, 400))) for _ in range(n)]


def stand_out(rng: np.random.Generator, *, scatter: float, shift: float) -> bool:
    """Whether three nights in a row exceed what ten differ by, and what matters."""
    reference = nights(rng, 10, scatter=scatter)
    found = [drift_of(one, reference) for one in nights(rng, 3, scatter=scatter, shift=shift)]
    return all(one.effect > max(0.1, one.usual) for one in found)


@pytest.mark.slow
def test_nights_that_scatter_as_they_did_are_no_drift_and_shifted_ones_are(
    rng: np.random.Generator,
) -> None:
    for scatter in (0.0, 0.5):
        alarms = np.mean([stand_out(rng, scatter=scatter, shift=0) for _ in range(150)])
        # As often as three of thirteen nights are the most different ones, within 3 sigma.
        assert alarms <= chance_of_all(3, 10) + 3 * np.sqrt(chance_of_all(3, 10) / 150)
    assert np.mean([stand_out(rng, scatter=0.2, shift=1) for _ in range(60)]) >= 0.8


def test_the_chance_is_that_of_a_draw_without_order(rng: np.random.Generator) -> None:
    last = [set(rng.permutation(8)[:2]) == {6, 7} for _ in range(4000)]
    assert np.mean(last) == pytest.approx(chance_of_all(2, 6), abs=0.01)
