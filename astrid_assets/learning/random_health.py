"""What random items state about a model in force: its errors, its purity, its calibration.

Random items are drawn by chance and judged before the score is shown, so they are a fair sample
of a night. Each test has a chance of error that is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.calibration import calibration_error
from astrid_assets.learning.metrics.intervals import share
from astrid_assets.learning.metrics.reliability import BINS, errors_by_chance
from astrid_assets.science.arrays.intervals import binomial_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]

DRAWS_ABOVE = 10
"""Draws by chance of which so many exceed the limit."""


@dataclass(frozen=True)
class HealthFigure:
    """A measured number with what is expected of it.

    Attributes
    ----------
    low, high
        Limits of its 95 % interval; None where it has none.
    limit
        What it is compared with.
    passed
        None: there is nothing to compare with.
    """

    name: str
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    passed: bool | None = None
    detail: str = ""


def errors_of(
    called: Flags, labels: Flags, missed: float, false_positive: float, level: float
) -> HealthFigure:
    """Return the share of items called wrongly, against what the test split allows.

    Parameters
    ----------
    called, labels : (n,), True for real
    missed, false_positive
        Upper limits of the shares of real and of bogus that are called wrongly; the classes
        are counted, so that another mix is no error.
    level
        Chance of a failure where the model errs as it did.

    Returns
    -------
    figure
    """
    n, wrong = len(labels), called != labels
    found = share(wrong)
    if found is None:
        return HealthFigure("error", 0, detail="no random item has a label")
    n_wrong = int(wrong.sum())
    expected = float(np.where(labels, missed, false_positive).mean())
    return HealthFigure(
        name="error",
        n=n,
        value=found.value,
        low=found.low,
        high=found.high,
        limit=expected,
        passed=binomial_tail(n_wrong, n, expected) > level,
        detail=f"{n_wrong} of {n} random items called wrongly, at most {expected:.1%} expected",
    )


def purity_of(scores: Numbers, labels: Flags, called: Flags, level: float) -> HealthFigure:
    """Return the share of real among what is called real, against what the scores promise.

    Returns
    -------
    figure
        Without a value where nothing is called real.
    """
    found = share(labels[called])
    if found is None:
        return HealthFigure("purity", 0, detail="no random item is called real")
    n, real = int(called.sum()), int(labels[called].sum())
    promised = scores[called]
    return HealthFigure(
        name="purity",
        n=n,
        value=found.value,
        low=found.low,
        high=found.high,
        limit=float(promised.mean()),
        passed=abs(_deviation(promised, labels[called])) <= _sigmas(level),
        detail=f"{real} of {n} random items called real are, {promised.mean():.1%} by their scores",
    )


def calibration_of(scores: Numbers, labels: Flags, level: float) -> HealthFigure:
    """Return by how much the share of real exceeds the mean score; 0 for a calibrated model.

    Returns
    -------
    figure
    """
    n = len(labels)
    gap = float(labels.mean() - scores.mean())
    error = _error(scores)
    half = NormalDist().inv_cdf(0.975) * error
    return HealthFigure(
        name="calibration",
        n=n,
        value=gap,
        low=gap - half,
        high=gap + half,
        limit=0.0,
        passed=abs(_deviation(scores, labels)) <= _sigmas(level),
        detail=f"{labels.mean():.1%} of {n} random items are real, {scores.mean():.1%} by the "
        "scores",
    )


def calibration_error_of(
    scores: Numbers, labels: Flags, level: float, groups: Groups | None = None
) -> HealthFigure:
    """Return the mean distance between score and share of real, against what chance gives.

    Sees scores that are too low here and too high there, which `calibration_of` does not.

    Parameters
    ----------
    scores : (n,), 0 to 1
    labels : (n,), True for real
    level
        Chance of a failure where the scores are right.
    groups : (n,)
        Object of each item; the items of one are real or bogus together.

    Returns
    -------
    figure
        Its limit: what scores that are right exceed with that chance.
    """
    found = calibration_error(scores, labels, BINS)
    by_chance = errors_by_chance(
        scores, groups, np.random.default_rng(0), ceil(DRAWS_ABOVE / level)
    )
    # The sample itself is one draw of those that chance gives.
    chance = (1 + int((by_chance >= found).sum())) / (1 + len(by_chance))
    usual = float(np.quantile(by_chance, 0.95))
    return HealthFigure(
        name="calibration_error",
        n=len(labels),
        value=found,
        limit=float(np.quantile(by_chance, 1 - level)),
        passed=chance > level,
        detail=f"score and share of real differ by {found:.3f} on average over {len(labels)} "
        f"random items; by up to {usual:.3f} in 95 % of cases where the scores are right",
    )


def _deviation(scores: Numbers, labels: Flags) -> float:
    """Return by how many sigma the count of real deviates from the sum of the scores."""
    error = _error(scores)
    gap = float(labels.mean() - scores.mean())
    if error == 0:
        return 0.0 if gap == 0 else float("inf")
    # Half a count, for counts are whole numbers.
    return max(abs(gap) - 0.5 / len(scores), 0.0) / error


def _error(scores: Numbers) -> float:
    return sqrt(float((scores * (1 - scores)).sum())) / len(scores)


def _sigmas(level: float) -> float:
    return NormalDist().inv_cdf(1 - level / 2)
