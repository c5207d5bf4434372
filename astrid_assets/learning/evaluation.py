"""How good a score is: measured on detections that its model never saw, with intervals.

Whole groups (objects) are drawn, not single detections: thirty detections of one star
are not thirty proofs.

Purity is the share of real among what is called real, completeness the share of the
real that is called so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.learning.metrics.confusion import (
    SKY,
    ClassLine,
    PurityAt,
    confusion,
    purity_at,
)
from astrid_assets.learning.metrics.intervals import Interval, interval_of, members_of, share
from astrid_assets.learning.metrics.reliability import ScoreReliability, reliability_of
from astrid_assets.learning.ranking import (
    BOOTSTRAPS,
    CannotEvaluate,
    RankedSplit,
    Ranking,
    check_scores,
    gain,
    rank,
)
from astrid_assets.learning.slices import Scored, Slice, slices_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Metric = Callable[[Numbers, Flags], float]
"""A number of one's own: scores (n,), labels (n,) → a number; greater or smaller is
better, as it likes."""


@dataclass(frozen=True)
class Against:
    """The model and another ranking, on the `n` detections that both have scores of.

    `gain` is model minus the other, on the same detections.
    """

    n: int
    model: Ranking
    other: Ranking
    gain: Ranking


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A score on a split, beside the plain ranking by ``|S/N|`` and other baselines.

    Attributes
    ----------
    gain_roc_auc, gain_fpr_at_95_completeness
        Model minus ``|S/N|``; an interval above 0 says that the model is better, not
        lucky.
    purity, completeness, accuracy, f1, mcc
        At `threshold`, in the mix of the split; `shares` has their intervals.
    calibration_error
        Mean distance between score and share of real; more of it in `reliability`.
    purities
        What the threshold gives where another share is real: nights are not the split.
    baselines
        Other rankings by name.
    own_metrics
        By name, what `metrics` were asked for.
    """

    n_real: int
    n_bogus: int
    n_objects: int
    model: Ranking
    snr_ranking: Ranking
    gain_roc_auc: Interval
    gain_fpr_at_95_completeness: Interval
    threshold: float
    purity: float | None
    completeness: float
    accuracy: float
    f1: float
    mcc: float
    calibration_error: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    shares: dict[str, Interval | None]
    report: dict[str, ClassLine]
    purities: list[PurityAt]
    reliability: ScoreReliability
    slices: dict[str, list[Slice]]
    baselines: dict[str, Against] = field(default_factory=dict)
    own_metrics: dict[str, Interval] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return the form kept in the catalogue's JSON columns."""
        return asdict(self)

    def flat(self) -> dict[str, float]:
        """Return the numbers an experiment tracker keeps, without the slices."""
        numbers = {
            name: value for name, value in vars(self).items() if isinstance(value, (int, float))
        }
        for name, value in vars(self.reliability).items():
            if isinstance(value, float) and name != "error":
                numbers[f"calibration_{name}" if "error" in name else name] = value
        intervals: dict[str, Interval | None] = {}
        for prefix, ranking in (("", self.model), ("snr_", self.snr_ranking)):
            intervals |= {f"{prefix}{name}": value for name, value in vars(ranking).items()}
        for name, against in self.baselines.items():
            intervals[f"{name}_roc_auc"] = against.other.roc_auc
            intervals[f"gain_over_{name}_roc_auc"] = against.gain.roc_auc
        for name in ("gain_roc_auc", "gain_fpr_at_95_completeness"):
            intervals[name] = getattr(self, name)
        intervals |= self.shares | self.own_metrics
        for name, interval in intervals.items():
            if interval is not None:
                numbers[name] = interval.value
                numbers[f"{name}_low"] = interval.low
                numbers[f"{name}_high"] = interval.high
        for at in self.purities:
            if at.purity is not None:
                numbers[f"purity_where_{at.prevalence:g}_is_real"] = at.purity.value
        return {name: float(value) for name, value in numbers.items()}


def evaluate(
    scores: Numbers,
    labels: Flags,
    snr: Numbers,
    groups: NDArray[np.str_] | None = None,
    *,
    threshold: float,
    slices: Mapping[str, NDArray[np.str_]] | None = None,
    magnitudes: Numbers | None = None,
    baselines: Mapping[str, Numbers] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    prevalences: Sequence[float] = SKY,
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
        From `learning.metrics.targets.choose_threshold` on the val split.
    slices
        Per name (``survey``, ``class``) the value of each detection; slices by S/N
        and its sign are always there.
    magnitudes : (n,)
        For slices by magnitude; NaN where there is none.
    baselines
        Other rankings by name, (n,) each; NaN where there is none. Compared on the
        detections that have one, and left out where those lack a class.
    metrics
        Numbers of one's own by name; they get intervals as all others do.
    prevalences
        Shares of real at which purity is wanted.

    Raises
    ------
    CannotEvaluate
        If one of the classes is missing or a number is not finite.
    """
    ranks = np.abs(snr)
    check_scores(labels, scores, ranks)
    model = rank(scores, labels, groups, bootstraps=bootstraps, seed=seed)
    plain = rank(ranks, labels, groups, bootstraps=bootstraps, seed=seed)
    over_plain = gain(model, plain)
    called = scores >= threshold
    counted = confusion(called, labels)
    shares = _shares(called, labels, groups)
    reliability = reliability_of(scores, labels, groups, seed=seed)
    purity, completeness = shares["purity"], shares["completeness"]
    return Evaluation(
        n_real=int(labels.sum()),
        n_bogus=int((~labels).sum()),
        n_objects=len(np.unique(members_of(len(labels), groups))),
        model=model.ranking,
        snr_ranking=plain.ranking,
        gain_roc_auc=over_plain.roc_auc,
        gain_fpr_at_95_completeness=over_plain.fpr_at_95_completeness,
        threshold=threshold,
        purity=None if purity is None else purity.value,
        completeness=0.0 if completeness is None else completeness.value,
        accuracy=float((called == labels).mean()),
        f1=counted.f1,
        mcc=counted.mcc,
        calibration_error=reliability.error,
        **asdict(counted),
        shares=shares,
        report=counted.report(),
        purities=purity_at(prevalences, called, labels, groups),
        reliability=reliability,
        slices=slices_of(Scored(scores, labels, called, groups), snr, magnitudes, slices or {}),
        baselines=_baselines(model, scores, labels, groups, baselines or {}, bootstraps, seed),
        own_metrics={
            name: _own(metric, scores, labels, groups, seed)
            for name, metric in (metrics or {}).items()
        },
    )


def _shares(
    called: Flags, labels: Flags, groups: NDArray[np.str_] | None
) -> dict[str, Interval | None]:
    def of(hits: Flags, inside: Flags) -> Interval | None:
        return share(hits[inside], None if groups is None else groups[inside])

    everything = np.ones(len(labels), dtype=bool)
    return {
        "purity": of(labels, called),
        "completeness": of(called, labels),
        "false_positive_rate": of(called, ~labels),
        "accuracy": of(called == labels, everything),
    }


def _baselines(
    model: RankedSplit,
    scores: Numbers,
    labels: Flags,
    groups: NDArray[np.str_] | None,
    baselines: Mapping[str, Numbers],
    bootstraps: int,
    seed: int,
) -> dict[str, Against]:
    found = {}
    for name, values in baselines.items():
        known = np.isfinite(values)
        if not (labels[known].any() and (~labels[known]).any()):
            continue
        inside = None if groups is None else groups[known]
        mine = model
        if not known.all():
            mine = rank(scores[known], labels[known], inside, bootstraps=bootstraps, seed=seed)
        other = rank(values[known], labels[known], inside, bootstraps=bootstraps, seed=seed)
        found[name] = Against(int(known.sum()), mine.ranking, other.ranking, gain(mine, other))
    return found


OWN_BOOTSTRAPS = 200
"""Number of calls of a metric of one's own: it may be slow."""


def _own(
    metric: Metric, scores: Numbers, labels: Flags, groups: NDArray[np.str_] | None, seed: int
) -> Interval:
    """Return a number of one's own with a bootstrap interval over groups.

    Drawn with repetition, because the function takes no weights; a draw of one class
    only is left out.
    """
    member = members_of(len(scores), groups)
    rows_of = np.argsort(member, kind="stable")
    ends = np.cumsum(np.bincount(member))
    starts = np.r_[0, ends[:-1]]
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(OWN_BOOTSTRAPS):
        drawn = rng.integers(len(ends), size=len(ends))
        rows = np.concatenate([rows_of[starts[group] : ends[group]] for group in drawn])
        if 0 < labels[rows].sum() < len(rows):
            samples.append(metric(scores[rows], labels[rows]))
    value = metric(scores, labels)
    if not np.isfinite(value) or not np.isfinite(samples).any():
        raise CannotEvaluate(f"a metric of one's own gave {value} and no finite bootstrap")
    return interval_of(value, np.array(samples))


@dataclass(frozen=True)
class Comparison:
    """Two scores on the same detections; differences are challenger minus champion."""

    challenger_roc_auc: float
    champion_roc_auc: float
    roc_auc: Interval
    average_precision: Interval
    fpr_at_95_completeness: Interval


def compare(
    challenger: Numbers,
    champion: Numbers,
    labels: Flags,
    groups: NDArray[np.str_] | None = None,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> Comparison:
    """Compare two models on one set of detections, pair by pair."""
    check_scores(labels, challenger, champion)
    new = rank(challenger, labels, groups, bootstraps=bootstraps, seed=seed)
    old = rank(champion, labels, groups, bootstraps=bootstraps, seed=seed)
    better = gain(new, old)
    return Comparison(
        new.ranking.roc_auc.value,
        old.ranking.roc_auc.value,
        better.roc_auc,
        better.average_precision,
        better.fpr_at_95_completeness,
    )
