"""Completeness on injected transients, on models whose true loss is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from astrid_assets.learning.gate.injections import KeptInjections, keeps_injections
from astrid_assets.learning.gate.settings import GateSettings

SETTINGS = GateSettings()
KEPT = 0.8
"""Share that the champion keeps."""

DRAWS = 200


def drawn(rng, n: int, *, loss: float, scatter: float = 0.0) -> KeptInjections:
    """Draw two trainings that differ on one in ten, and lose a share more on each frame."""
    frame = np.arange(n) % (n // 33)
    before = rng.random(n) < KEPT
    again = np.where(rng.random(n) < 0.3, rng.random(n) < KEPT, before)
    share = (loss + scatter * rng.normal(size=n // 33))[frame]
    lost = rng.random(n) < np.where(share > 0, share / KEPT, 0)
    won = rng.random(n) < np.where(share < 0, -share / (1 - KEPT), 0)
    return KeptInjections((again & ~lost) | won, before, frame.astype(str))


def verdicts(rng, n: int, **of: float) -> Counter[bool | None]:
    return Counter(keeps_injections(drawn(rng, n, **of), SETTINGS).passed for _ in range(DRAWS))


@pytest.mark.slow
def test_an_equal_one_passes_and_one_that_loses_five_in_a_hundred_does_not(rng):
    assert verdicts(rng, 990, loss=0.0)[True] > 0.98 * DRAWS
    worse = verdicts(rng, 990, loss=0.05)
    assert worse[False] > 0.9 * DRAWS
    assert worse[True] < 0.06 * DRAWS


@pytest.mark.slow
def test_with_few_an_equal_one_is_not_refused_and_a_large_loss_is(rng):
    assert verdicts(rng, 132, loss=0.0)[False] < 0.06 * DRAWS
    assert verdicts(rng, 132, loss=0.2)[False] > 0.95 * DRAWS


@pytest.mark.slow
def test_what_is_lost_and_won_frame_by_frame_is_no_loss(rng):
    assert verdicts(rng, 990, loss=0.0, scatter=0.1)[False] < 0.08 * DRAWS


def test_three_frames_suffice_to_refuse_one_that_keeps_none():
    kept = np.ones(108, dtype=bool)
    check = keeps_injections(
        KeptInjections(~kept, kept, (np.arange(108) % 3).astype(str)), SETTINGS
    )
    assert check.passed is False
    assert check.value == -1
    assert "choose the threshold" in check.detail


def test_with_fewer_than_asked_it_is_said_and_nothing_is_refused():
    none = np.zeros(99, dtype=bool)
    check = keeps_injections(KeptInjections(none, ~none, none.astype(str)), SETTINGS)
    assert check.passed is None
    assert check.verdict == "not measured"
    assert "99 injected transients with cutouts, 100 are needed" in check.detail


def test_a_wide_interval_is_not_decided():
    before = np.arange(100) < 80
    check = keeps_injections(
        KeptInjections(before[::-1], before, np.arange(100).astype(str)), SETTINGS
    )
    assert check.value == 0
    assert check.low is not None
    assert check.low < -0.05
    assert (check.passed, check.verdict) == (None, "not decided")


def test_a_first_model_is_shown_its_share():
    kept = np.arange(200) < 150
    check = keeps_injections(KeptInjections(kept, None, kept.astype(str)), SETTINGS)
    assert (check.value, check.passed) == (0.75, True)
