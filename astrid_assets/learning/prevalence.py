"""How much of a night is real, from its scores alone, and what purity to expect.

A score is a probability at the share of real in the set that calibrated the model, the
*known* prevalence. A night has another one. The likelihood of its scores as a function
of that one number has a single maximum, the fixed point of the EM algorithm of Saerens
et al.; what the scores say at that share gives the expected purity above any threshold.

This holds where real and bogus of the night look like those of the calibration set;
bogus of a new kind that score high are counted as real.

References
----------
Saerens, Latinne & Decaestecker 2002, Neural Computation 14, 21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.calibration import at_prevalence
from astrid_assets.learning.metrics.intervals import Interval, Z, zero_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

SMALLEST = 1e-9


@dataclass(frozen=True)
class ExpectedNight:
    """What a night's scores say about it, without a label.

    Attributes
    ----------
    prevalence
        Share of real among all that was scored, with its 95 % interval.
    n_called
        Detections at and above the threshold.
    n_undecided
        Those of a lower score that decides nothing.
    purity, completeness
        Expected shares of real among those, and of the real that is among those, with the
        limits that follow from those of the prevalence; None where nothing is.
    """

    n: int
    prevalence: Interval
    n_called: int
    purity: Interval | None
    completeness: Interval | None
    n_undecided: int = 0


def estimate_prevalence(scores: Numbers, known: float) -> Interval:
    """Return the share of real among some detections, from their scores.

    Parameters
    ----------
    scores : (n,), probabilities at prevalence `known`; at least one
    known
        Above 0 and below 1.

    Returns
    -------
    prevalence : the most likely share; limits where the likelihood is lower by what
        makes 95 % (a likelihood ratio of one number)
    """
    if not len(scores):
        raise ValueError("no scores: the share of real among nothing is not known")
    real, bogus = scores / known, (1 - scores) / (1 - known)

    def slope(share: float) -> float:
        return float(((real - bogus) / (share * real + (1 - share) * bogus)).sum())

    def log_likelihood(share: float) -> float:
        return float(np.log(share * real + (1 - share) * bogus).sum())

    low, high = SMALLEST, 1 - SMALLEST
    if slope(low) <= 0:
        best = low
    elif slope(high) >= 0:
        best = high
    else:
        # The slope falls all the way: there is one maximum.
        best = zero_of(slope, low, high)
    floor = log_likelihood(best) - Z**2 / 2

    def above_floor(share: float) -> float:
        return log_likelihood(share) - floor

    lower = low if above_floor(low) >= 0 else zero_of(above_floor, low, best)
    upper = high if above_floor(high) >= 0 else zero_of(above_floor, best, high)
    if best <= low:
        best = lower = 0.0
    if best >= high:
        best = upper = 1.0
    return Interval(best, 0.0 if lower <= low else lower, 1.0 if upper >= high else upper)


def expected_night(
    scores: Numbers, known: float, threshold: float, bogus_below: float | None = None
) -> ExpectedNight:
    """Return the share of real in a night and the purity to expect at a threshold.

    Parameters
    ----------
    scores : (n,), probabilities at prevalence `known`; at least one
    threshold
        On the scores as they are; real from it on.
    bogus_below
        Scores from it to the threshold decide nothing; None: there are none.
    """
    share = estimate_prevalence(scores, known)
    called = scores >= threshold

    def purity(prevalence: float) -> float:
        return float(_at(scores, known, prevalence)[called].mean())

    def completeness(prevalence: float) -> float:
        expected = _at(scores, known, min(max(prevalence, SMALLEST), 1 - SMALLEST))
        return float(expected[called].sum() / expected.sum())

    complete = [completeness(value) for value in (share.value, share.low, share.high)]
    return ExpectedNight(
        len(scores),
        share,
        int(called.sum()),
        # Rises with the share of real, so its limits are those of the share.
        Interval(*(purity(value) for value in (share.value, share.low, share.high)))
        if called.any()
        else None,
        Interval(complete[0], min(complete), max(complete)) if share.value > 0 else None,
        0 if bogus_below is None else int(((scores >= bogus_below) & ~called).sum()),
    )


def _at(scores: Numbers, known: float, prevalence: float) -> Numbers:
    if prevalence <= 0:
        return np.zeros_like(scores)
    if prevalence >= 1:
        return np.ones_like(scores)
    return at_prevalence(scores, known, prevalence)
