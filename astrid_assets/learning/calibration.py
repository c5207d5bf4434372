"""Scores that mean something: of detections scored 0.8, four in five are real.

Two numbers are fitted on the val split: a temperature that divides the logit, and an
offset that is added. The offset belongs to the share of real there: a score is the
probability at that share, the *prevalence*, and `at_prevalence` says what it is at
another. Neither changes the ranking.

References
----------
Platt 1999, Advances in Large Margin Classifiers; Guo, Pleiss, Sun & Weinberger 2017,
ICML, arXiv:1706.04599; Saerens, Latinne & Decaestecker 2002, Neural Computation 14, 21
(another prevalence).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.5, 10.0
"""A val split that happens to be separated without error asks for temperature 0,
that is for scores of exactly 0 and 1; a hundred cutouts do not prove that much."""

LOG_TEMPERATURE_SIGMA = 0.35
"""How far a temperature is from 1 before anything was measured: a few dozen cutouts in the
val split ask for temperatures that others do not bear out; with a thousand it changes nothing."""

MAX_OFFSET = 8.0


@dataclass(frozen=True)
class ScoreCalibration:
    """How a logit becomes a probability: ``sigmoid(logit / temperature + offset)``.

    `prevalence` is the share of real for which that holds.
    """

    temperature: float
    offset: float
    prevalence: float

    def probability(self, logits: Numbers) -> Numbers:
        """Return the probability of being real at the calibration's own prevalence."""
        return 1 / (1 + np.exp(-(logits / self.temperature + self.offset)))


def fit_calibration(logits: Numbers, labels: NDArray[np.bool_]) -> ScoreCalibration:
    """Return the most probable calibration: of low cross-entropy, its temperature near 1.

    The labels are softened as if one more real and one more bogus of either side had
    been seen (Platt 1999): a few dozen cutouts that happen to be separated do not prove
    certainty.

    Parameters
    ----------
    logits : (n,)
    labels : (n,), True for real; both must occur
    """
    n_real, n_bogus = int(labels.sum()), int((~labels).sum())
    target = np.where(labels, (n_real + 1) / (n_real + 2), 1 / (n_bogus + 2))

    def cross_entropy(parameters: Numbers) -> float:
        z = logits / np.exp(parameters[0]) + parameters[1]
        prior = 0.5 * (parameters[0] / LOG_TEMPERATURE_SIGMA) ** 2
        return float((np.logaddexp(0.0, z) - target * z).mean() + prior / len(logits))

    # The curve is smooth but flat where all is separated: bounded, from a neutral start.
    found = minimize(
        cross_entropy,
        np.zeros(2),
        bounds=[
            (np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)),
            (-MAX_OFFSET, MAX_OFFSET),
        ],
        method="L-BFGS-B",
    )
    temperature, offset = float(np.exp(found.x[0])), float(found.x[1])
    return ScoreCalibration(temperature, offset, n_real / len(labels))


def at_prevalence(scores: Numbers, known: float, other: float) -> Numbers:
    """Return probabilities for another share of real than the one they were made for.

    Parameters
    ----------
    scores : (n,), probabilities at prevalence `known`
    known, other : 0 to 1, exclusive

    Returns
    -------
    scores : (n,), probabilities at prevalence `other`
    """
    real = scores * (other / known)
    return real / (real + (1 - scores) * ((1 - other) / (1 - known)))


def calibration_error(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], bins: int = 10
) -> float:
    """Return the mean distance between score and share of real, over equal bins.

    Parameters
    ----------
    scores : (n,), 0 to 1
    labels : (n,), True for real
    """
    which = np.minimum((scores * bins).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    mean_score = np.bincount(which, weights=scores, minlength=bins)
    mean_real = np.bincount(which, weights=labels.astype(np.float64), minlength=bins)
    return float(np.abs(mean_score - mean_real).sum() / count.sum())
