"""Curves of an evaluation as plain lists, short enough for a JSON column and a plot."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.ranking import counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

POINTS = 200
HISTOGRAM_BINS = 20


@dataclass(frozen=True)
class RankingCurve:
    """Thresholds from high to low, and what lies at and above each.

    Attributes
    ----------
    threshold, completeness, false_positive_rate, purity
        Lists of one length, at most some two hundred; purity in the mix of the split.
    """

    threshold: list[float]
    completeness: list[float]
    false_positive_rate: list[float]
    purity: list[float]


@dataclass(frozen=True)
class ScoreHistogram:
    """How many real and bogus there are between neighbouring edges of the score."""

    edges: list[float]
    real: list[int]
    bogus: list[int]


@dataclass(frozen=True)
class Curves:
    """What an evaluation draws; `rankings` by name, the model's is called ``model``."""

    rankings: dict[str, RankingCurve]
    histogram: ScoreHistogram

    def as_dict(self) -> dict[str, object]:
        """Return the form kept in the catalogue's JSON columns."""
        return asdict(self)


def curves_of(scores: Numbers, labels: Flags, others: dict[str, Numbers]) -> Curves:
    """Return the curves of a model's scores and of others on the same detections.

    Parameters
    ----------
    scores : (n,), 0 to 1
    labels : (n,), True for real; both must occur
    others
        Rankings to draw beside it, (n,) each; detections where one is NaN are left out
        of its curve.
    """
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    rankings = {"model": ranking_curve(scores, labels)}
    for name, values in others.items():
        known = np.isfinite(values)
        rankings[name] = ranking_curve(values[known], labels[known])
    return Curves(
        rankings,
        ScoreHistogram(
            edges.tolist(),
            np.histogram(scores[labels], edges)[0].tolist(),
            np.histogram(scores[~labels], edges)[0].tolist(),
        ),
    )


def ranking_curve(scores: Numbers, labels: Flags) -> RankingCurve:
    """Return completeness, false positives and purity at thresholds from high to low."""
    values, real, bogus = counts(scores, labels, np.ones((1, len(labels))))
    # Evenly along the curve, so that neither a steep nor a flat part is lost.
    way = real[0] / labels.sum() + bogus[0] / (~labels).sum()
    wanted = np.linspace(way[0], way[-1], POINTS)
    at = np.unique(np.searchsorted(way, wanted).clip(max=len(way) - 1))
    return RankingCurve(
        values[at].tolist(),
        (real[0, at] / labels.sum()).tolist(),
        (bogus[0, at] / (~labels).sum()).tolist(),
        (real[0, at] / (real[0, at] + bogus[0, at])).tolist(),
    )
