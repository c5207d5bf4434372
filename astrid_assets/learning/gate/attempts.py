"""How sure the gate must be at each attempt, and what gain it can then see.

A hundred retrainings that are no better than the champion contain some that look better. So
all attempts against one champion share one chance of error, which is spent from attempt to
attempt: the k-th gets ``6 / (pi k)²`` of it. These parts add up to all of it however long the
series grows, and by Boole's inequality so do their errors, whatever the attempts have in
common. A new champion begins a new series. The first attempts, which matter most, keep most
of it.

Attempts on other rows count, too: a test split grows by some labels and stays mostly the
same, and whoever began to count anew with each of them would drift.

References
----------
Lan & DeMets 1983, Biometrika 70, 659 (a level that is spent step by step); Pocock 1977,
Biometrika 64, 191 (why looking again needs it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

POWER = 0.8
"""The smallest gain is quoted that is seen this often."""

QUOTED_GAIN = 0.01
"""Gain in ROC AUC for which the power is quoted: a retraining on twice the labels."""


@dataclass(frozen=True)
class Power:
    """What a judging set can show at one attempt.

    Attributes
    ----------
    attempt
        From 1.
    level
        Chance, one-sided, that a model of no gain passes at this attempt.
    error
        Standard error of the gain in ROC AUC.
    gain, chance
        How often a model that truly gains so much passes.
    smallest_gain
        The gain that passes in `POWER` of cases.
    """

    attempt: int
    level: float
    error: float
    gain: float
    chance: float
    smallest_gain: float


def level_of_attempt(attempt: int, total: float) -> float:
    """Return the one-sided level of an attempt, counted from 1, of a series."""
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, got {attempt}")
    return total * 6 / (math.pi * attempt) ** 2


def z_of(level: float) -> float:
    """Return the standard errors that a one-sided level asks for."""
    return float(-ndtri(level))


def power_of(error: float, attempt: int, total: float, gain: float = QUOTED_GAIN) -> Power:
    """Return what a judging set shows whose gain has this standard error.

    Parameters
    ----------
    error
        Standard error of the gain in ROC AUC; 0 where two models are identical.
    attempt
        From 1.
    total
        Chance of error of the whole series.
    gain
        True gain that is asked about.
    """
    level = level_of_attempt(attempt, total)
    z = z_of(level)
    chance = float(ndtr(gain / error - z)) if error > 0 else 1.0
    smallest = error * (z + float(ndtri(POWER)))
    return Power(attempt, level, error, gain, chance, smallest)
