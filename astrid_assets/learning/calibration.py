"""Scores that mean something: of detections scored 0.8, four in five are real.

One number, the temperature, divides every logit; the ranking stays.

References
----------
Guo, Pleiss, Sun & Weinberger 2017, ICML, arXiv:1706.04599.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.5, 10.0
"""A val split that happens to be separated without error asks for temperature 0,
that is for scores of exactly 0 and 1; a hundred cutouts do not prove that much."""


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Return the temperature with the lowest cross-entropy.

    Parameters
    ----------
    logits : (n,)
    labels : (n,), True for real
    """
    sign = np.where(labels, 1.0, -1.0)

    def cross_entropy(log_temperature: float) -> float:
        return float(np.logaddexp(0.0, -sign * logits / np.exp(log_temperature)).mean())

    found = minimize_scalar(
        cross_entropy,
        bounds=(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)),
        method="bounded",
    )
    return float(np.exp(found.x))


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
