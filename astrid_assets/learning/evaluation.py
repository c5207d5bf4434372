"""How good a score is: measured on the frozen test split, with intervals.

Whole groups (objects) are drawn, not
single detections: thirty detections of one star are not thirty proofs.

Purity is the share of real among what is called real, completeness the share of the
real that is called so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.calibration import calibration_error
from astrid_assets.learning.ranking import (
    Interval,
    Ranking,
    bootstrap_weights,
    check_scores,
    counts,
    interval_of,
    ranking_of,
)
from astrid_assets.learning.slices import Slice, slices_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]


BOOTSTRAPS = 1000


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A score on the test split, beside the plain ranking by ``|S/N|``.

    `gain_*` are model minus ``|S/N|`` on the same bootstraps; an interval above 0
    says that the model is better, not lucky. The confusion matrix is at `threshold`;
    `calibration_error` is the mean distance between score and share of real.
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
    calibration_error: float
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
            name: value for name, value in asdict(self).items() if isinstance(value, (int, float))
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
    check_scores(labels, scores, ranks)
    weights = bootstrap_weights(len(labels), groups, bootstraps, seed)
    model, model_samples = ranking_of(scores, labels, weights)
    plain, plain_samples = ranking_of(ranks, labels, weights)
    called = scores >= threshold
    hits, false_alarms = int((called & labels).sum()), int((called & ~labels).sum())
    misses = int((~called & labels).sum())
    return Evaluation(
        n_real=int(labels.sum()),
        n_bogus=int((~labels).sum()),
        model=model,
        snr_ranking=plain,
        gain_roc_auc=interval_of(
            model.roc_auc.value - plain.roc_auc.value,
            model_samples[0] - plain_samples[0],
        ),
        gain_fpr_at_95_completeness=interval_of(
            model.fpr_at_95_completeness.value - plain.fpr_at_95_completeness.value,
            model_samples[2] - plain_samples[2],
        ),
        threshold=threshold,
        purity=hits / (hits + false_alarms) if called.any() else None,
        completeness=hits / (hits + misses),
        accuracy=float((called == labels).mean()),
        f1=2 * hits / (2 * hits + false_alarms + misses),
        calibration_error=calibration_error(scores, labels),
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
    check_scores(labels, challenger, champion)
    weights = bootstrap_weights(len(labels), groups, bootstraps, seed)
    new, new_samples = ranking_of(challenger, labels, weights)
    old, old_samples = ranking_of(champion, labels, weights)
    return Comparison(
        new.roc_auc.value,
        old.roc_auc.value,
        interval_of(new.roc_auc.value - old.roc_auc.value, new_samples[0] - old_samples[0]),
        interval_of(
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
        From the val split, never from the test split.
    labels : (n,), True for real
    """
    check_scores(labels, scores)
    values, hits, false_alarms = counts(scores, labels, np.ones((1, len(labels))))
    f1 = 2 * hits[0] / (hits[0] + false_alarms[0] + labels.sum())
    best = int(np.argmax(f1))
    below = values[best + 1] if best + 1 < len(values) else 0.0
    return float((values[best] + below) / 2)
