"""Whether scores mean what they say: of detections scored 0.8, four in five are real.

Even a perfect score is off in a finite sample: `expected_error` is what the calibration
error of one would be here, and only what lies above that is a fault of the model.

References
----------
Guo, Pleiss, Sun & Weinberger 2017, ICML, arXiv:1706.04599 (error and diagram); Bröcker &
Smith 2007, Weather and Forecasting 22, 651 (what chance alone gives); Brier 1950.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.calibration import calibration_error
from astrid_assets.learning.metrics.intervals import Interval, members_of, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]

BINS = 10
DRAWS = 200
TINY = 1e-7
"""Scores are this far from 0 and 1 in the cross-entropy: float32 rounds to both."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Detections scored between two bounds: their mean score, and how many are real."""

    low: float
    high: float
    n: int
    mean_score: float
    real: Interval


@dataclass(frozen=True)
class ScoreReliability:
    """How far scores are from being probabilities.

    Attributes
    ----------
    error
        Mean distance between score and share of real, over ten equal bins.
    expected_error, largest_expected_error
        Mean and 95th percentile of the same for scores that are right, by chance.
    brier, log_loss
        Mean squared error and mean cross-entropy of the scores.
    bins
        Those that hold something.
    """

    error: float
    expected_error: float
    largest_expected_error: float
    brier: float
    log_loss: float
    bins: list[ReliabilityBin]


def reliability_of(
    scores: Numbers, labels: Flags, groups: Groups | None = None, *, seed: int = 0
) -> ScoreReliability:
    """Measure how far scores are from being probabilities.

    Parameters
    ----------
    scores : (n,), 0 to 1
    labels : (n,), True for real
    groups : (n,)
        Detections of one object are real or bogus together, which widens what chance gives.
    """
    by_chance = errors_by_chance(scores, groups, np.random.default_rng(seed), DRAWS)
    which = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    bins = []
    for number in np.unique(which).tolist():
        inside = which == number
        real = share(labels[inside], None if groups is None else groups[inside])
        if real is not None:
            bins.append(
                ReliabilityBin(
                    number / BINS,
                    (number + 1) / BINS,
                    int(inside.sum()),
                    float(scores[inside].mean()),
                    real,
                )
            )
    given = np.clip(np.where(labels, scores, 1 - scores), TINY, 1)
    return ScoreReliability(
        calibration_error(scores, labels, BINS),
        float(by_chance.mean()),
        float(np.quantile(by_chance, 0.95)),
        float(((scores - labels) ** 2).mean()),
        float(-np.log(given).mean()),
        bins,
    )


def errors_by_chance(
    scores: Numbers, groups: Groups | None, rng: np.random.Generator, draws: int
) -> Numbers:
    """Return calibration errors of labels that are drawn as the scores say, ``(draws,)``.

    Parameters
    ----------
    scores : (n,), 0 to 1
    groups : (n,)
        Items of one are real or bogus together.
    """
    member = members_of(len(scores), groups)
    return np.array(
        [
            calibration_error(scores, rng.random(int(member.max()) + 1)[member] < scores, BINS)
            for _ in range(draws)
        ]
    )
