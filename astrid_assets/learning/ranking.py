"""How well a score sorts real before bogus, with bootstrap intervals.

Every number comes from weighted counts of real and bogus at and above each distinct
score, so a thousand bootstraps are a few array operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

COMPLETENESS_FLOOR = 0.95
"""The false positive rate is quoted where this share of the real is kept."""

CONFIDENCE = 0.95
CHUNK = 50
"""Bootstraps computed at once; bounds the memory at large test splits."""


class CannotEvaluate(ValueError):
    """The split holds no real or no bogus cutouts, or scores that are not numbers."""


@dataclass(frozen=True)
class Interval:
    """A value and its central 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranking:
    """How well a score sorts real before bogus, whatever the threshold."""

    roc_auc: Interval
    average_precision: Interval
    fpr_at_95_completeness: Interval


def roc_auc(scores: Numbers, labels: Flags) -> float:
    """Return the chance that a real one scores above a bogus one; ties count half."""
    check_scores(labels, scores)
    _, hits, false_alarms = counts(scores, labels, np.ones((1, len(labels))))
    return float(_areas(hits, false_alarms)[0, 0])


def check_scores(labels: Flags, *scores: Numbers) -> None:
    """Make sure that both classes are there and every score is a number.

    Raises
    ------
    CannotEvaluate
        If not.
    """
    real, bogus = int(labels.sum()), int((~labels).sum())
    if real == 0 or bogus == 0:
        raise CannotEvaluate(
            f"{real} real and {bogus} bogus cutouts: both classes are needed; label more detections"
        )
    for values in scores:
        if values.shape != labels.shape:
            raise CannotEvaluate(f"{values.shape} scores for {labels.shape} labels")
        if not np.isfinite(values).all():
            raise CannotEvaluate(f"{(~np.isfinite(values)).sum()} scores are not finite")


def counts(scores: Numbers, labels: Flags, weights: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Count real and bogus at and above each distinct score, highest first.

    Returns
    -------
    values : (u,)
    real, bogus : (b, u), cumulative, for each row of `weights` (b, n)
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights = weights[:, order]
    real = np.add.reduceat(weights * labels[order], starts, axis=1)
    bogus = np.add.reduceat(weights * ~labels[order], starts, axis=1)
    return ranked[starts], real.cumsum(axis=1), bogus.cumsum(axis=1)


def _areas(real: Numbers, bogus: Numbers) -> Numbers:
    """Return ROC AUC, average precision and FPR at the floor, ``(3, b)``.

    NaN for a bootstrap that drew one class only.
    """
    n_real, n_bogus = real[:, -1:], bogus[:, -1:]
    has_both = (n_real > 0) & (n_bogus > 0)
    n_real, n_bogus = (np.where(has_both, n, np.nan) for n in (n_real, n_bogus))
    step = np.diff(bogus, axis=1, prepend=0.0)
    before = real - np.diff(real, axis=1, prepend=0.0)
    auc = (step * (before + real)).sum(axis=1) / (2 * n_real * n_bogus)[:, 0]
    called = real + bogus
    # A bootstrap may draw nothing of the highest scores.
    purity = np.divide(real, called, out=np.zeros_like(real), where=called > 0)
    gained = np.diff(real, axis=1, prepend=0.0)
    precision = (gained * purity).sum(axis=1) / n_real[:, 0]
    # Rounding must not push 95 of 100 below the floor.
    enough = real >= COMPLETENESS_FLOOR * n_real - 1e-9  # all False for NaN
    first = enough.argmax(axis=1)
    rate = bogus[np.arange(len(bogus)), first] / n_bogus[:, 0]
    return np.stack([auc, precision, rate])


def ranking_of(scores: Numbers, labels: Flags, weights: Numbers) -> tuple[Ranking, Numbers]:
    """Return the ranking's numbers and their bootstrap samples, ``(3, b)``."""
    _, real, bogus = counts(scores, labels, np.ones((1, len(labels))))
    values = _areas(real, bogus)[:, 0]
    parts = []
    for start in range(0, len(weights), CHUNK):
        _, real, bogus = counts(scores, labels, weights[start : start + CHUNK])
        parts.append(_areas(real, bogus))
    samples = np.concatenate(parts, axis=1)
    auc, precision, rate = (
        interval_of(float(value), row) for value, row in zip(values, samples, strict=True)
    )
    return Ranking(auc, precision, rate), samples


def bootstrap_weights(
    n: int, groups: NDArray[np.str_] | None, bootstraps: int, seed: int
) -> Numbers:
    """Return how often each detection was drawn, ``(b, n)``."""
    names, member = np.unique(np.arange(n) if groups is None else groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    share = np.full(len(names), 1 / len(names))
    return rng.multinomial(len(names), share, size=bootstraps)[:, member].astype(np.float64)


def interval_of(value: float, samples: Numbers) -> Interval:
    """Return a value with the central interval of its bootstrap samples."""
    tail = (1 - CONFIDENCE) / 2
    # A bootstrap that drew only one class has no value.
    samples = samples[np.isfinite(samples)]
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(value, float(low), float(high))
