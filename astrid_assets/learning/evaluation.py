"""How good a score is: measured on the frozen test split, with intervals.

Every number comes from weighted counts of real and bogus above each threshold, so a
thousand bootstraps are a few array operations. Whole groups (objects) are drawn, not
single detections: thirty detections of one star are not thirty proofs.

Purity is the share of real among what is called real, completeness the share of the
real that is called so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.slices import Slice, slices_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

COMPLETENESS_FLOOR = 0.95
"""The false positive rate is quoted where this share of the real is kept."""

CONFIDENCE = 0.95
BOOTSTRAPS = 1000
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


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A score on the test split, beside the plain ranking by ``|S/N|``.

    `gain_*` are model minus ``|S/N|`` on the same bootstraps; an interval above 0
    says that the model is better, not lucky. The confusion matrix is at `threshold`.
    """

    n_real: int
    n_bogus: int
    model: Ranking
    snr_ranking: Ranking
    gain_roc_auc: Interval
    gain_fpr_at_95_completeness: Interval
    threshold: float
    purity: float | None
    completeness: float
    accuracy: float
    f1: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    slices: dict[str, list[Slice]]

    def as_dict(self) -> dict[str, object]:
        """Return the form kept in the catalogue's JSON columns."""
        return asdict(self)

    def flat(self) -> dict[str, float]:
        """Return the numbers an experiment tracker keeps, without the slices."""
        numbers = {
            name: value
            for name, value in asdict(self).items()
            if isinstance(value, (int, float))
        }
        for prefix, ranking in (("", self.model), ("snr_", self.snr_ranking)):
            for name, interval in vars(ranking).items():
                numbers[f"{prefix}{name}"] = interval.value
                numbers[f"{prefix}{name}_low"] = interval.low
                numbers[f"{prefix}{name}_high"] = interval.high
        for name in ("gain_roc_auc", "gain_fpr_at_95_completeness"):
            interval: Interval = getattr(self, name)
            numbers[name] = interval.value
            numbers[f"{name}_low"] = interval.low
            numbers[f"{name}_high"] = interval.high
        return {name: float(value) for name, value in numbers.items()}


def evaluate(
    scores: Numbers,
    labels: Flags,
    snr: Numbers,
    groups: NDArray[np.str_] | None = None,
    *,
    threshold: float,
    slices: Mapping[str, NDArray[np.str_]] | None = None,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> Evaluation:
    """Measure a model's scores and, on the same detections, the ranking by ``|S/N|``.

    Parameters
    ----------
    scores : (n,)
        Probability of being real.
    labels : (n,), True for real
    snr : (n,)
        Signed S/N of each detection; its size is the ranking to beat.
    groups : (n,)
        Object of each detection; None: every detection stands for itself.
    threshold
        From `choose_threshold` on the val split.
    slices
        Per name (``survey``, ``class``) the value of each detection; slices by S/N
        are always there.

    Raises
    ------
    CannotEvaluate
        If one of the classes is missing or a number is not finite.
    """
    ranks = np.abs(snr)
    _check(labels, scores, ranks)
    weights = _bootstrap_weights(len(labels), groups, bootstraps, seed)
    model, model_samples = _ranking(scores, labels, weights)
    plain, plain_samples = _ranking(ranks, labels, weights)
    called = scores >= threshold
    hits, false_alarms = int((called & labels).sum()), int((called & ~labels).sum())
    misses = int((~called & labels).sum())
    return Evaluation(
        n_real=int(labels.sum()),
        n_bogus=int((~labels).sum()),
        model=model,
        snr_ranking=plain,
        gain_roc_auc=_interval(
            model.roc_auc.value - plain.roc_auc.value,
            model_samples[0] - plain_samples[0],
        ),
        gain_fpr_at_95_completeness=_interval(
            model.fpr_at_95_completeness.value - plain.fpr_at_95_completeness.value,
            model_samples[2] - plain_samples[2],
        ),
        threshold=threshold,
        purity=hits / (hits + false_alarms) if called.any() else None,
        completeness=hits / (hits + misses),
        accuracy=float((called == labels).mean()),
        f1=2 * hits / (2 * hits + false_alarms + misses),
        true_positives=hits,
        false_positives=false_alarms,
        true_negatives=int((~called & ~labels).sum()),
        false_negatives=misses,
        slices=slices_of(scores, labels, ranks, threshold, slices or {}),
    )


@dataclass(frozen=True)
class Comparison:
    """Two scores on the same detections; differences are challenger minus champion."""

    challenger_roc_auc: float
    champion_roc_auc: float
    roc_auc: Interval
    average_precision: Interval


def compare(
    challenger: Numbers,
    champion: Numbers,
    labels: Flags,
    groups: NDArray[np.str_] | None = None,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> Comparison:
    """Compare two models on one test split, paired bootstrap by bootstrap."""
    _check(labels, challenger, champion)
    weights = _bootstrap_weights(len(labels), groups, bootstraps, seed)
    new, new_samples = _ranking(challenger, labels, weights)
    old, old_samples = _ranking(champion, labels, weights)
    return Comparison(
        new.roc_auc.value,
        old.roc_auc.value,
        _interval(
            new.roc_auc.value - old.roc_auc.value, new_samples[0] - old_samples[0]
        ),
        _interval(
            new.average_precision.value - old.average_precision.value,
            new_samples[1] - old_samples[1],
        ),
    )


def choose_threshold(scores: Numbers, labels: Flags) -> float:
    """Return the threshold with the best F1 of purity and completeness.

    It lies half-way between the two neighbouring scores, so that a score of another
    detection that differs in the last digit falls on the same side.

    Parameters
    ----------
    scores : (n,)
        Of the val split, never of the test split.
    labels : (n,), True for real
    """
    _check(labels, scores)
    values, hits, false_alarms = _counts(scores, labels, np.ones((1, len(labels))))
    f1 = 2 * hits[0] / (hits[0] + false_alarms[0] + labels.sum())
    best = int(np.argmax(f1))
    below = values[best + 1] if best + 1 < len(values) else 0.0
    return float((values[best] + below) / 2)


def roc_auc(scores: Numbers, labels: Flags) -> float:
    """Return the chance that a real one scores above a bogus one; ties count half."""
    _check(labels, scores)
    _, hits, false_alarms = _counts(scores, labels, np.ones((1, len(labels))))
    return float(_areas(hits, false_alarms)[0, 0])


def _check(labels: Flags, *scores: Numbers) -> None:
    real, bogus = int(labels.sum()), int((~labels).sum())
    if real == 0 or bogus == 0:
        raise CannotEvaluate(
            f"{real} real and {bogus} bogus cutouts: both classes are needed; label "
            "more detections"
        )
    for values in scores:
        if values.shape != labels.shape:
            raise CannotEvaluate(f"{values.shape} scores for {labels.shape} labels")
        if not np.isfinite(values).all():
            raise CannotEvaluate(
                f"{(~np.isfinite(values)).sum()} scores are not finite"
            )


def _counts(
    scores: Numbers, labels: Flags, weights: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
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
    """Return ROC AUC, average precision and FPR at the floor, ``(3, b)``."""
    n_real, n_bogus = real[:, -1:], bogus[:, -1:]
    step = np.diff(bogus, axis=1, prepend=0.0)
    before = real - np.diff(real, axis=1, prepend=0.0)
    auc = (step * (before + real)).sum(axis=1) / (2 * n_real * n_bogus)[:, 0]
    called = real + bogus
    # A bootstrap may draw nothing of the highest scores.
    purity = np.divide(real, called, out=np.zeros_like(real), where=called > 0)
    gained = np.diff(real, axis=1, prepend=0.0)
    precision = (gained * purity).sum(axis=1) / n_real[:, 0]
    # Rounding must not push 95 of 100 below the floor.
    enough = real >= COMPLETENESS_FLOOR * n_real - 1e-9
    first = enough.argmax(axis=1)
    rate = bogus[np.arange(len(bogus)), first] / n_bogus[:, 0]
    return np.stack([auc, precision, rate])


def _ranking(
    scores: Numbers, labels: Flags, weights: Numbers
) -> tuple[Ranking, Numbers]:
    """Return the ranking's numbers and their bootstrap samples, ``(3, b)``."""
    _, real, bogus = _counts(scores, labels, np.ones((1, len(labels))))
    values = _areas(real, bogus)[:, 0]
    parts = []
    for start in range(0, len(weights), CHUNK):
        _, real, bogus = _counts(scores, labels, weights[start : start + CHUNK])
        parts.append(_areas(real, bogus))
    samples = np.concatenate(parts, axis=1)
    auc, precision, rate = (
        _interval(float(value), row) for value, row in zip(values, samples, strict=True)
    )
    return Ranking(auc, precision, rate), samples


def _bootstrap_weights(
    n: int, groups: NDArray[np.str_] | None, bootstraps: int, seed: int
) -> Numbers:
    """Return how often each detection was drawn, ``(b, n)``."""
    names, member = np.unique(
        np.arange(n) if groups is None else groups, return_inverse=True
    )
    rng = np.random.default_rng(seed)
    share = np.full(len(names), 1 / len(names))
    return rng.multinomial(len(names), share, size=bootstraps)[:, member].astype(
        np.float64
    )


def _interval(value: float, samples: Numbers) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    # A bootstrap that drew only one class has no value.
    samples = samples[np.isfinite(samples)]
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(value, float(low), float(high))
