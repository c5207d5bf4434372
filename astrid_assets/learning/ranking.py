"""How well a score sorts real before bogus, with intervals.

Every number comes from weighted counts of real and bogus at and above each distinct
score, so a thousand bootstraps are a few array operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.metrics.intervals import (
    AreaParts,
    Interval,
    area_parts,
    bootstrap_weights,
    difference_interval,
    interval_of,
    paired_areas,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]

COMPLETENESS_FLOOR = 0.95
"""The false positive rate is quoted where this share of the real is kept."""

FPR_CEILING = 0.01
"""The completeness is quoted where at most this share of the bogus is kept."""

BOOTSTRAPS = 1000


class CannotEvaluate(ValueError):
    """The split holds no real or no bogus cutouts, or scores that are not numbers."""


@dataclass(frozen=True)
class Ranking:
    """How well a score sorts real before bogus, whatever the threshold."""

    roc_auc: Interval
    average_precision: Interval
    fpr_at_95_completeness: Interval
    completeness_at_1_fpr: Interval


@dataclass(frozen=True)
class RankedSplit:
    """A ranking with what a paired comparison needs of it.

    Attributes
    ----------
    samples : (4, b)
        The four numbers in each bootstrap of what was seen.
    """

    ranking: Ranking
    area: AreaParts
    samples: Numbers


def roc_auc(scores: Numbers, labels: Flags) -> float:
    """Return the chance that a real one scores above a bogus one; ties count half."""
    check_scores(labels, scores)
    return area_parts(scores, labels, None).area


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


def _numbers(real: Numbers, bogus: Numbers) -> Numbers:
    """Return the numbers of a `Ranking` in their order, ``(4, b)``."""
    n_real, n_bogus = real[:, -1:], bogus[:, -1:]
    step = np.diff(bogus, axis=1, prepend=0.0)
    gained = np.diff(real, axis=1, prepend=0.0)
    auc = (step * (2 * real - gained)).sum(axis=1) / (2 * n_real * n_bogus)[:, 0]
    precision = average_precisions(real, bogus)
    # Rounding must not push 95 of 100 below the floor.
    first = (real >= COMPLETENESS_FLOOR * n_real * (1 - 1e-12)).argmax(axis=1)
    rate = bogus[np.arange(len(bogus)), first] / n_bogus[:, 0]
    few_enough = bogus <= FPR_CEILING * n_bogus * (1 + 1e-12)
    kept = np.where(few_enough, real, 0.0).max(axis=1) / n_real[:, 0]
    return np.stack([auc, precision, rate, kept])


def average_precisions(real: Numbers, bogus: Numbers) -> Numbers:
    """Return the average precision of each row of `counts`, ``(b,)``."""
    gained = np.diff(real, axis=1, prepend=0.0)
    called = real + bogus
    # A bootstrap may draw nothing of the highest scores.
    purity = np.divide(real, called, out=np.zeros_like(real), where=called > 0)
    return (gained * purity).sum(axis=1) / real[:, -1]


def rank(
    scores: Numbers,
    labels: Flags,
    groups: Groups | None = None,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> RankedSplit:
    """Measure how well a score sorts; equal seeds draw equal bootstraps.

    The mix of real and bogus is that of the detections, in each bootstrap.

    Parameters
    ----------
    scores : (n,)
    labels : (n,), True for real
    groups : (n,)
        Object of each detection; None: every detection stands for itself.

    Raises
    ------
    CannotEvaluate
        If one of the classes is missing or a score is not finite.
    """
    check_scores(labels, scores)
    values = _numbers(*counts(scores, labels, np.ones((1, len(labels))))[1:])[:, 0]
    edged = np.r_[np.inf, scores, -np.inf]
    are_real = np.r_[False, labels, True]
    seen: list[Numbers] = []
    with_unseen: list[Numbers] = []
    for weights in bootstrap_weights(labels, groups, bootstraps, seed):
        with_unseen.append(_numbers(*same_mix(edged, are_real, weights, labels)))
        weights[:, [0, -1]] = 0.0
        seen.append(_numbers(*same_mix(edged, are_real, weights, labels)))
    samples, wider = np.concatenate(seen, axis=1), np.concatenate(with_unseen, axis=1)
    area = area_parts(scores, labels, groups)
    others = (
        interval_of(float(value), row, wide)
        for value, row, wide in zip(values[1:], samples[1:], wider[1:], strict=True)
    )
    return RankedSplit(Ranking(area.interval(), *others), area, samples)


def same_mix(
    scores: Numbers, are_real: Flags, weights: Numbers, labels: Flags
) -> tuple[Numbers, Numbers]:
    """Return `counts` with as much real and bogus as there are detections."""
    _, real, bogus = counts(scores, are_real, weights)
    return real / real[:, -1:] * labels.sum(), bogus / bogus[:, -1:] * (~labels).sum()


def gain(a: RankedSplit, b: RankedSplit) -> Ranking:
    """Return how much better `a` is than `b` on the same detections and bootstraps."""
    names = list(vars(a.ranking))[1:]
    others = []
    for row, name in enumerate(names, start=1):
        x, y = a.samples[row], b.samples[row]
        one, two = getattr(a.ranking, name), getattr(b.ranking, name)
        if np.array_equal(x, y):
            others.append(Interval(one.value - two.value, 0.0, 0.0))
            continue
        scatter = x.std() * y.std()
        correlation = float(((x - x.mean()) * (y - y.mean())).mean() / scatter) if scatter else 0.0
        others.append(difference_interval(one, two, correlation))
    return Ranking(paired_areas(a.area, b.area), *others)
