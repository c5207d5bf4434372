"""Intervals that stay honest at few of a class, and at many detections of few objects.

A bootstrap of three reals never sees the fourth: where all three rank first it gives
1.0 to 1.0. Each interval here keeps its promise of 95 % down to a handful (the tests
simulate it): shares by Wilson, areas under the ROC curve by Newcombe, other numbers by a
Bayesian bootstrap that counts what was not seen. Whole groups (objects) are drawn, not
single detections: thirty detections of one star are not thirty proofs.

References
----------
Wilson 1927, JASA 22, 209; Newcombe 2006, Stat. Med. 25, 559 (area, method 5); DeLong,
DeLong & Clarke-Pearson 1988, Biometrics 44, 837 and Obuchowski 1997, Biometrics 53, 567
(variance of an area, also by groups); Zou & Donner 2008, Stat. Med. 27, 1693 (functions
of two numbers); Rubin 1981, Ann. Stat. 9, 130 (Bayesian bootstrap).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)

UNSEEN = 0.5
"""Weight, in groups, of what lies beyond the highest bogus and below the lowest real."""

BORROWED = 10.0
"""Groups of the rarer class below which the variance that was measured counts less than
the one that Newcombe expects."""

CHUNK = 50
"""Bootstraps computed at once; bounds the memory at large test splits."""


@dataclass(frozen=True)
class Interval:
    """A value and its central 95 % interval."""

    value: float
    low: float
    high: float


def zero_of(function: Callable[[float], float], a: float, b: float) -> float:
    """Return where a continuous function is 0 between two points where its signs differ."""
    from scipy.optimize import root_scalar

    return float(root_scalar(function, bracket=(a, b), method="brentq", xtol=1e-12).root)


def members_of(n: int, groups: Groups | None) -> NDArray[np.int64]:
    """Return the number of each detection's group, ``(n,)``; without groups its own."""
    if groups is None:
        return np.arange(n)
    return np.unique(groups, return_inverse=True)[1]


def share(hits: Flags, groups: Groups | None = None) -> Interval | None:
    """Return the share of hits with Wilson's interval; None where there is nothing.

    Detections of one group count as fewer: by how much more the share scatters from
    group to group than it would among independent detections.

    Parameters
    ----------
    hits : (n,)
    groups : (n,)
        Object of each; None: every detection stands for itself.
    """
    n = len(hits)
    if n == 0:
        return None
    value = float(hits.mean())
    member = members_of(n, groups)
    sizes = np.bincount(member)
    sizes = sizes[sizes > 0]
    independent = float(n)
    if len(sizes) < n:
        plain = value * (1 - value) / n
        off = np.bincount(member, weights=hits - value)
        variance = float((off**2).sum()) * len(sizes) / max(len(sizes) - 1, 1) / n**2
        # All alike says nothing about the scatter: then groups are what counts.
        independent = n / max(variance / plain, 1.0) if plain and variance else float(len(sizes))
    return Interval(value, *wilson(value, independent))


def wilson(value: float, n: float) -> tuple[float, float]:
    """Return Wilson's limits of a share that was found in `n` independent draws."""
    centre = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(value * (1 - value) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    # Rounding must not leave the value outside.
    return max(0.0, min(value, float(centre - half))), min(1.0, max(value, float(centre + half)))


def combined(function: Callable[[float, float], float], a: Interval, b: Interval) -> Interval:
    """Return a function of two independent numbers, rising in `a`, falling in `b`.

    The distances to the limits of each add in squares (Zou & Donner 2008).
    """
    value = function(a.value, b.value)
    down = np.hypot(value - function(a.low, b.value), value - function(a.value, b.high))
    up = np.hypot(function(a.high, b.value) - value, function(a.value, b.low) - value)
    return Interval(value, value - float(down), value + float(up))


def difference_interval(a: Interval, b: Interval, correlation: float) -> Interval:
    """Return a minus b for two numbers of the same detections."""

    def length(x: float, y: float) -> float:
        return float(np.sqrt(max(x * x + y * y - 2 * correlation * x * y, 0.0)))

    value = a.value - b.value
    return Interval(
        value,
        value - length(a.value - a.low, b.high - b.value),
        value + length(a.high - a.value, b.value - b.low),
    )


@dataclass(frozen=True)
class AreaParts:
    """What each group adds to an area under the ROC curve; see `area_parts`."""

    area: float
    terms: Numbers
    n_real: int
    n_bogus: int

    @property
    def variance(self) -> float:
        """Variance of the area over draws of groups."""
        return self.covariance(self)

    def covariance(self, other: AreaParts) -> float:
        """Return the covariance with another score's area on the same detections."""
        few = min(self.n_real, self.n_bogus)
        return float(self.terms @ other.terms) * few / max(few - 1, 1)

    def interval(self) -> Interval:
        """Return the area with limits by Newcombe's method, as wide as its own variance.

        Solves ``(area - x)² = z² k V(x)``, where V is the variance that Hanley and McNeil
        expect at an area x, and k how much the measured one is larger; a handful of a
        class says little about k and is drawn towards 1.
        """
        m, n = self.n_real, self.n_bogus

        def expected(x: float) -> float:
            half = (m + n) / 2
            return x * (1 - x) * (2 * half - 1 - (3 * half - 3) / ((2 - x) * (1 + x))) / (m * n)

        at_value = expected(self.area)
        few = min(m, n)
        # Tiny where all is separated, and by rounding below 0.
        ratio = self.variance / at_value if at_value > 1e-12 else 1.0
        scale = (few * ratio + BORROWED) / (few + BORROWED)

        def beyond(x: float) -> float:
            return (self.area - x) ** 2 - Z**2 * scale * expected(x)

        def limit(end: float) -> float:
            if self.area == end or beyond(end) <= 0:
                return end
            inside = self.area + (1e-9 if end > self.area else -1e-9)
            if beyond(inside) >= 0:
                return self.area
            return zero_of(beyond, inside, end)

        return Interval(self.area, limit(0.0), limit(1.0))


def area_parts(scores: Numbers, labels: Flags, groups: Groups | None) -> AreaParts:
    """Return the area under the ROC curve and what each group adds to its scatter.

    Parameters
    ----------
    scores : (n,)
    labels : (n,), True for real; both must occur
    groups : (n,)
    """
    real, bogus = scores[labels], scores[~labels]
    won_by_real, won_by_bogus = _wins(real, bogus), 1 - _wins(bogus, real)
    area = float(won_by_real.mean())
    off = np.empty(len(scores))
    off[labels] = (won_by_real - area) / len(real)
    off[~labels] = (won_by_bogus - area) / len(bogus)
    member = members_of(len(scores), groups)
    return AreaParts(
        area,
        np.bincount(member, weights=off).astype(np.float64),
        len(np.unique(member[labels])),
        len(np.unique(member[~labels])),
    )


def _wins(scores: Numbers, others: Numbers) -> Numbers:
    """Return the share of `others` that lies below each score; ties count half."""
    ranked = np.sort(others)
    below = np.searchsorted(ranked, scores, side="left")
    return (below + np.searchsorted(ranked, scores, side="right")) / (2 * len(others))


def paired_areas(a: AreaParts, b: AreaParts) -> Interval:
    """Return the gain of `a` over `b`, two scores of the same detections.

    By the variance of the difference (DeLong 1988). A few of a class do not prove how
    much two scores have in common: there the limits of independent scores are mixed in,
    one such group for every group that was seen.
    """
    both_alike = np.array_equal(a.terms, b.terms) and a.area == b.area
    if both_alike:
        return Interval(0.0, 0.0, 0.0)
    variance = max(a.variance + b.variance - 2 * a.covariance(b), 0.0)
    apart = difference_interval(a.interval(), b.interval(), 0.0)
    few = min(a.n_real, a.n_bogus)

    def half(far: float) -> float:
        mixed = (few * Z**2 * variance + PAIRED_BORROWED * far**2) / (few + PAIRED_BORROWED)
        return float(np.sqrt(mixed))

    value = apart.value
    return Interval(
        value,
        max(value - half(value - apart.low), -1.0),
        min(value + half(apart.high - value), 1.0),
    )


PAIRED_BORROWED = 1.0
"""Groups that count as independent in `paired_areas`."""


def bootstrap_weights(
    labels: Flags, groups: Groups | None, bootstraps: int, seed: int
) -> Iterator[Numbers]:
    """Yield weights of detections in a Bayesian bootstrap, ``(b, n + 2)``.

    Two columns more, in front and at the end: bogus above the highest score and real
    below the lowest, as far as none was seen.

    Parameters
    ----------
    labels : (n,), True for real
    groups : (n,)
    bootstraps
        In all; they come some at a time.
    """
    rng = np.random.default_rng(seed)
    member = members_of(len(labels), groups)
    size_of_bogus, size_of_real = (
        len(part) / max(len(np.unique(part)), 1) for part in (member[~labels], member[labels])
    )
    for start in range(0, bootstraps, CHUNK):
        count = min(CHUNK, bootstraps - start)
        weights = rng.standard_exponential((count, int(member.max()) + 1))[:, member]
        above, below = rng.standard_gamma(UNSEEN, (2, count, 1))
        yield np.concatenate([above * size_of_bogus, weights, below * size_of_real], axis=1)


def interval_of(value: float, *samples: Numbers) -> Interval:
    """Return a value with the limits that hold the middle of each row of samples."""
    tail = (1 - CONFIDENCE) / 2
    limits = np.array([np.quantile(row[np.isfinite(row)], [tail, 1 - tail]) for row in samples])
    return Interval(value, min(value, limits[:, 0].min()), max(value, limits[:, 1].max()))
