"""Confidence intervals and chances of a share, from the successes in a few trials."""

from __future__ import annotations

import math

CONFIDENCE = 0.95
"""Confidence of a two-sided interval."""

BOUND_CONFIDENCE = math.erf(1.645 / math.sqrt(2))
"""Two-sided confidence whose upper end is the one-sided 95 % bound, at 1.645 sigma."""


def wilson_interval(found: int, total: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share; None when nothing was counted.

    Parameters
    ----------
    found, total
        Successes and trials, 0 ≤ `found` ≤ `total`.

    Returns
    -------
    low, high
        Shares from 0 to 1.

    References
    ----------
    Wilson 1927, J. Am. Stat. Assoc. 22, 209.
    """
    return _wilson(found, total, CONFIDENCE) if total else None


def upper_bound(found: int, total: int) -> float:
    """Return the upper 95 % confidence limit of a share.

    Parameters
    ----------
    found, total
        Successes and trials, 0 ≤ `found` ≤ `total`.

    Returns
    -------
    share
        0 to 1, one-sided; 1 when nothing was counted.

    References
    ----------
    Wilson 1927, J. Am. Stat. Assoc. 22, 209.
    """
    return _wilson(found, total, BOUND_CONFIDENCE)[1] if total else 1.0


def binomial_tail(found: int, total: int, share: float) -> float:
    """Return the chance of at least so many successes, exactly.

    Parameters
    ----------
    found, total
        Successes and trials, 0 ≤ `found` ≤ `total`.
    share
        Chance of a success, 0 to 1.

    Returns
    -------
    chance
        0 to 1.
    """
    # Imported here, as below.
    from scipy.stats import binom

    return float(binom.sf(found - 1, total, share))


def _wilson(found: int, total: int, confidence: float) -> tuple[float, float]:
    # Imported here: it costs a quarter of a second, which loading the graph need not pay.
    from astropy.stats import binom_conf_interval

    low, high = binom_conf_interval(found, total, confidence, interval="wilson")
    return float(low), float(high)
