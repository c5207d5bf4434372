"""Intervals of shares: what a few successes among a few trials leave credible."""

import math

Z_ONE_SIDED = 1.645
"""Standard normal deviate of a one-sided 95 % bound."""


def upper_bound(found: int, total: int) -> float:
    """Return the largest share that `found` of `total` leaves credible (95 %).

    References
    ----------
    Wilson 1927, J. Am. Stat. Assoc. 22, 209.
    """
    if not total:
        return 1.0
    z2 = Z_ONE_SIDED**2
    share = found / total
    centre = share + z2 / (2 * total)
    half = Z_ONE_SIDED * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return (centre + half) / (1 + z2 / total)
