"""Scores of models whose true ROC AUC is known: two normal distributions, so far apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from astrid_assets.learning.evaluation import evaluate
from astrid_assets.learning.gate.judge import JudgedRows, JudgedScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

IN_COMMON = 0.7
"""Correlation of the scores of two trainings on the same detection of one class."""


def labels_of(n_real: int, n_bogus: int) -> Flags:
    return np.arange(n_real + n_bogus) < n_real


def separation(roc_auc: float) -> float:
    """Return how many sigma real lies above bogus."""
    return float(np.sqrt(2) * ndtri(roc_auc))


def scores_of(
    rng: np.random.Generator, labels: Flags, roc_auc: float, shared: Numbers, models: int = 1
) -> Numbers:
    """Draw scores of models, (models, n), that have `shared` (n,) in common."""
    own = rng.normal(size=(models, len(labels)))
    noise = IN_COMMON**0.5 * shared + (1 - IN_COMMON) ** 0.5 * own
    return noise + separation(roc_auc) * labels


def judged(name: str, scores: Numbers, rows: JudgedRows) -> JudgedScores:
    """Return a model with an evaluation of a few bootstraps; scores are calibrated."""
    middle = float(np.median(scores))
    evaluation = evaluate(
        1 / (1 + np.exp(-(scores - middle))),
        rows.labels,
        rows.snr,
        threshold=0.5,
        bootstraps=50,
    )
    return JudgedScores(name, 1 / (1 + np.exp(-(scores - middle))), evaluation)


def expected_error(roc_auc: float, n_real: int, n_bogus: int, correlation: float) -> float:
    """Return the error of a gain by Hanley & McNeil 1982 and 1983, from sizes alone."""
    first, second = roc_auc / (2 - roc_auc), 2 * roc_auc**2 / (1 + roc_auc)
    variance = (
        roc_auc * (1 - roc_auc)
        + (n_real - 1) * (first - roc_auc**2)
        + (n_bogus - 1) * (second - roc_auc**2)
    ) / (n_real * n_bogus)
    return float(np.sqrt(2 * variance * (1 - correlation)))
