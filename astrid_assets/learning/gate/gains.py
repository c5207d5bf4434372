"""How much better one model ranks and calls than another, on the same rows.

References
----------
DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44, 837 (gain of an area, by objects:
Obuchowski 1997, Biometrics 53, 567); McClish 1989, Med. Decis. Making 9, 190 (partial area);
Rubin 1981, Ann. Stat. 9, 130 (bootstrap over objects); McNemar 1947, Psychometrika 12, 153 and
Obuchowski 1998, Stat. Med. 17, 1495 (paired calls, by objects).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr
from scipy.stats import binomtest

from astrid_assets.learning.metrics.intervals import (
    Interval,
    Z,
    area_parts,
    bootstrap_weights,
    difference_interval,
    interval_of,
    members_of,
    paired_areas,
)
from astrid_assets.learning.ranking import average_precisions, check_scores, counts, same_mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]

EXACT_BELOW = 25
"""Objects on which two models differ; with fewer McNemar's test is the exact one of signs."""


@dataclass(frozen=True)
class Gain:
    """A number of either model, and the gain with its 95 % interval; higher is better."""

    challenger: float
    champion: float
    gain: Interval

    @property
    def error(self) -> float:
        """Standard error of the gain, from the lower half of its interval."""
        return (self.gain.value - self.gain.low) / Z

    def lower_end(self, z: float) -> float:
        """Return the lower end of the gain that lies `z` standard errors below it."""
        return self.gain.value - z * self.error


@dataclass(frozen=True)
class PairedGains:
    """Gains of the challenger over the champion.

    Attributes
    ----------
    partial_roc_auc
        Mean completeness at false positive rates up to a ceiling.
    """

    roc_auc: Gain
    partial_roc_auc: Gain
    average_precision: Gain


@dataclass(frozen=True)
class PairedCalls:
    """McNemar's comparison of what either model calls right at its threshold.

    Attributes
    ----------
    only_challenger, only_champion
        Rows that only one of them calls right.
    p_value
        Two-sided; detections of one object count together.
    """

    only_challenger: int
    only_champion: int
    p_value: float


def paired_gains(
    challenger: Numbers,
    champion: Numbers,
    labels: Flags,
    groups: Groups | None,
    *,
    partial_fpr: float,
    bootstraps: int,
    seed: int = 0,
) -> PairedGains:
    """Compare two rankings of the same rows; objects are drawn, not rows.

    Parameters
    ----------
    challenger, champion : (n,), scores
    labels : (n,), True for real
    groups : (n,)
        Object of each row; None: every row stands for itself.
    partial_fpr
        Ceiling of the false positive rate of the partial area.

    Raises
    ------
    CannotEvaluate
        If one of the classes is missing or a score is not finite.
    """
    check_scores(labels, challenger, champion)
    areas = [area_parts(scores, labels, groups) for scores in (challenger, champion)]
    both = (challenger, champion)
    values = [
        _numbers(*counts(scores, labels, np.ones((1, len(labels))))[1:], partial_fpr)[:, 0]
        for scores in both
    ]
    edged = [np.r_[np.inf, scores, -np.inf] for scores in both]
    are_real = np.r_[False, labels, True]
    seen: list[Numbers] = []
    with_unseen: list[Numbers] = []
    for weights in bootstrap_weights(labels, groups, bootstraps, seed):
        with_unseen.append(_drawn(edged, are_real, weights, labels, partial_fpr))
        weights[:, [0, -1]] = 0.0
        seen.append(_drawn(edged, are_real, weights, labels, partial_fpr))
    samples, wider = np.concatenate(seen, axis=2), np.concatenate(with_unseen, axis=2)
    partial, precision = (
        _gain(values[0][row], values[1][row], samples[:, row], wider[:, row]) for row in range(2)
    )
    gained = paired_areas(*areas)
    return PairedGains(Gain(areas[0].area, areas[1].area, gained), partial, precision)


def _drawn(
    edged: list[Numbers], are_real: Flags, weights: Numbers, labels: Flags, partial_fpr: float
) -> Numbers:
    """Return the numbers of both models in each bootstrap, ``(2 models, 2, b)``."""
    return np.stack(
        [_numbers(*same_mix(scores, are_real, weights, labels), partial_fpr) for scores in edged]
    )


def _gain(challenger: float, champion: float, samples: Numbers, wider: Numbers) -> Gain:
    """Return a gain whose interval is made of those of both (Zou & Donner 2008).

    The quantiles of the differences themselves are too narrow: they hold nothing of what
    lies beyond the highest bogus that was seen.
    """
    new, old = (
        interval_of(float(value), samples[model], wider[model])
        for model, value in enumerate((challenger, champion))
    )
    if np.array_equal(samples[0], samples[1]):
        return Gain(new.value, old.value, Interval(new.value - old.value, 0.0, 0.0))
    (x, y), scatter = wider - wider.mean(axis=1, keepdims=True), float(wider.std(axis=1).prod())
    correlation = float((x * y).mean()) / scatter if scatter else 0.0
    return Gain(new.value, old.value, difference_interval(new, old, correlation))


def _numbers(real: Numbers, bogus: Numbers, partial_fpr: float) -> Numbers:
    """Return partial area and average precision of each row of counts, ``(2, b)``."""
    return np.stack([partial_areas(real, bogus, partial_fpr), average_precisions(real, bogus)])


def partial_areas(real: Numbers, bogus: Numbers, ceiling: float) -> Numbers:
    """Return the mean completeness at false positive rates up to a ceiling.

    Parameters
    ----------
    real, bogus : (b, u)
        Cumulative counts at and above each distinct score, highest first.

    Returns
    -------
    areas : (b,), 0 to 1
    """
    complete = real / real[:, -1:]
    rate = bogus / bogus[:, -1:]
    before = np.concatenate([np.zeros((len(rate), 1)), rate[:, :-1]], axis=1)
    risen = np.diff(complete, axis=1, prepend=0.0)
    step = rate - before
    width = np.clip(np.minimum(rate, ceiling) - before, 0.0, None)
    # The curve runs straight through scores that real and bogus share.
    passed = np.divide(width, step, out=np.zeros_like(step), where=step > 0)
    heights = complete - risen * (1 - passed / 2)
    return (width * heights).sum(axis=1) / ceiling


def paired_calls(right: Flags, right_before: Flags, groups: Groups | None) -> PairedCalls:
    """Compare what two models call right on the same rows.

    Parameters
    ----------
    right, right_before : (n,)
        Whether the challenger, and the champion, call a row what it is.
    groups : (n,)
    """
    difference = right.astype(np.float64) - right_before
    by_object = np.bincount(members_of(len(right), groups), weights=difference)
    differ = by_object[by_object != 0]
    if len(differ) == 0:
        p_value = 1.0
    elif len(differ) < EXACT_BELOW:
        p_value = float(binomtest(int((differ > 0).sum()), len(differ)).pvalue)
    else:
        z = abs(differ.sum()) / np.sqrt((differ**2).sum())
        p_value = float(2 * ndtr(-z))
    return PairedCalls(int((difference > 0).sum()), int((difference < 0).sum()), p_value)
