"""Which of too many labelled detections a dataset takes: by hash, so that they stay.

Every stratum (class, survey, S/N, seeing, night) gives its detections in the order of a
hash of their names. A set that grows with the same limit may lose members, but what
stays is what was there, and nothing comes back that had to leave.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SNR_EDGES = (7.0, 10.0, 20.0)
"""Bounds of the strata by |S/N|; the same as those of evaluations."""

FWHM_EDGES_PX = (2.0, 3.0, 5.0)
"""Bounds of the strata by seeing: under-sampled, sharp, ordinary, bad."""


def order_of(names: Sequence[str]) -> NDArray[np.uint64]:
    """Return a number drawn from the hash of each name.

    Parameters
    ----------
    names : n

    Returns
    -------
    order : (n,)
        Uniform over all numbers of 64 bits.
    """
    digests = [hashlib.sha256(name.encode()).digest()[:8] for name in names]
    return np.array([int.from_bytes(digest) for digest in digests], dtype=np.uint64)


def strata_of(
    survey: NDArray[np.str_],
    snr: NDArray[np.float64],
    fwhm_px: NDArray[np.float64],
    night: NDArray[np.str_] | None = None,
) -> NDArray[np.str_]:
    """Return the stratum of each detection, in words.

    Parameters
    ----------
    survey, snr, fwhm_px, night : (n,)
        Signed S/N; night None: not by night.

    Returns
    -------
    strata : (n,)
        Names of the strata.
    """
    parts = [
        survey.tolist(),
        np.digitize(np.abs(snr), SNR_EDGES).tolist(),
        np.digitize(fwhm_px, FWHM_EDGES_PX).tolist(),
        [""] * len(survey) if night is None else night.tolist(),
    ]
    return np.array([" ".join(map(str, row)) for row in zip(*parts, strict=True)], dtype=np.str_)


def thin(strata: NDArray[np.str_], order: NDArray[np.uint64], count: int) -> NDArray[np.bool_]:
    """Return which rows stay: the largest strata lose most.

    All strata are cut to one size; where that is not a whole number, the hash decides
    which of them keep one more.

    Parameters
    ----------
    strata : (n,)
    order : (n,)
        From `order_of`.
    count
        Rows to keep; more than there are keeps all.

    Returns
    -------
    stays : (n,)
        True for `count` of them.
    """
    by_stratum = np.lexsort((order, strata))
    ordered = strata[by_stratum]
    starts = np.r_[0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1] if len(ordered) else []
    rank = np.empty(len(strata), dtype=np.int64)
    lengths = np.diff(np.r_[starts, len(ordered)]).astype(np.int64)
    rank[by_stratum] = np.arange(len(strata)) - np.repeat(starts, lengths)
    stays = np.zeros(len(strata), dtype=bool)
    stays[np.lexsort((order, rank))[:count]] = True
    return stays


def class_sizes(real: int, bogus: int, *, most: int, max_ratio: float) -> tuple[int, int]:
    """Return how many real and bogus rows a set takes.

    Where a class has less than its half, the other takes the rest.

    Parameters
    ----------
    real, bogus
        Rows there are.
    most
        Rows that both may have together.
    max_ratio
        Rows of the more frequent class per one of the rarer, at most.

    Returns
    -------
    sizes
        Real and bogus rows to take.
    """
    if not real or not bogus:
        return min(real, most), min(bogus, most)
    real, bogus = _limited(real, bogus, max_ratio)
    half = most // 2
    real, bogus = min(real, max(half, most - bogus)), min(bogus, max(most - half, most - real))
    return _limited(real, bogus, max_ratio)


def _limited(real: int, bogus: int, max_ratio: float) -> tuple[int, int]:
    return min(real, math.floor(max_ratio * bogus)), min(bogus, math.floor(max_ratio * real))


def training_weights(
    real: NDArray[np.bool_], trust: NDArray[np.float64], min_share: float
) -> NDArray[np.float64]:
    """Return the weights of training rows: trust, and more for a class that is rare.

    Parameters
    ----------
    real, trust : (n,)
        True for real; what a label of its source counts.
    min_share
        Share of all weight that the rarer class has at least.

    Returns
    -------
    weights : (n,)
        Those of the more frequent class are its trust.
    """
    weights = trust.astype(np.float64)
    sums = np.array([weights[~real].sum(), weights[real].sum()])
    if not sums.all():
        return weights
    rarer = int(np.argmin(sums))
    needed = min_share / (1 - min_share) * sums[1 - rarer] / sums[rarer]
    weights[real == bool(rarer)] *= max(needed, 1.0)
    return weights
