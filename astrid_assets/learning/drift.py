"""Whether the numbers of a night are distributed as on earlier nights.

Nights differ: the seeing, the fields, the Moon. A test that takes detections for independent
draws finds drift on most nights of a large survey. So the unit is the night: its difference
counts as unusual where it exceeds the largest difference of any reference night from the
others. Of `m` reference nights and `k` new ones that are alike, in any order, all `k` new ones
are the most different with a chance of 1 in (m + k choose k).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, sqrt
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.distributions import largest_distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

NOISE = 1.36
"""Kolmogorov: what two samples of equal origin differ by at most in 95 % of cases, times the
square root of the sum of their inverse sizes."""

FEWEST_FOR_MEDIAN = 6


@dataclass(frozen=True)
class Drift:
    """The difference of a night from its reference nights.

    Attributes
    ----------
    effect
        Largest difference of the cumulative distributions, less what the sizes of the samples
        leave to luck; 0 to 1.
    usual
        The same of the most different reference night from the other ones.
    """

    effect: float
    usual: float


def drift_of(night: Numbers, reference: Sequence[Numbers]) -> Drift:
    """Return how much a night differs from reference nights, and these among themselves.

    Parameters
    ----------
    night : (n,), at least one
    reference : at least two nights, (n,) each

    Returns
    -------
    drift
    """
    own = [
        largest_gap(one, np.concatenate([*reference[:at], *reference[at + 1 :]]))
        for at, one in enumerate(reference)
    ]
    return Drift(largest_gap(night, np.concatenate(list(reference))), max(own))


def largest_gap(first: Numbers, second: Numbers) -> float:
    """Return by how much two distributions differ at least; 0: perhaps not at all.

    Parameters
    ----------
    first, second : (n,) and (m,), at least one each

    Returns
    -------
    difference
        Largest one of the cumulative distributions, less its noise; 0 to 1.
    """
    noise = NOISE * sqrt(1 / len(first) + 1 / len(second))
    return max(largest_distance(first, second) - noise, 0.0)


def median_interval(values: Numbers) -> tuple[float, float] | None:
    """Return the 95 % interval of a median by its order statistics, whatever the distribution.

    Parameters
    ----------
    values : (n,)

    Returns
    -------
    low, high
        None below six values, of which even the extremes enclose it less often.
    """
    n = len(values)
    if n < FEWEST_FOR_MEDIAN:
        return None
    # One rank further out than the normal approximation holds at every n.
    rank = max(int((n - 1.96 * sqrt(n)) / 2) - 1, 0)
    ordered = np.sort(values)
    return float(ordered[rank]), float(ordered[n - 1 - rank])


def chance_of_all(n_new: int, n_reference: int) -> float:
    """Return the chance that so many new nights differ most where nights are exchangeable.

    Returns
    -------
    chance
        1 over the number of ways to choose them.
    """
    return 1 / comb(n_reference + n_new, n_new)
