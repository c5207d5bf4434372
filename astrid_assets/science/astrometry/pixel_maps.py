"""Maps between two star lists: shift, similarity, affine, and polynomials on top.

A map takes a star's position ``q`` on the focal plane to its target,
``matrix q + shift + polynomial(p)``, with ``p`` its pixels. Which map the stars
support is decided here; its conversion to a WCS is in `distortion`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.astrometry.star_patterns import turn_between

if TYPE_CHECKING:
    from collections.abc import Callable

Points = NDArray[np.float64]
KINDS = {0: "shift", 1: "similarity", 2: "affine", 3: "quadratic", 4: "cubic"}
PARAMETERS = (2, 4, 6, 12, 20)
"""Number of free parameters of each kind, both axes together, in the order of `KINDS`."""

STARS_NEEDED = (1, 6, 12, 30, 50)
"""With fewer stars than this the map is not tried."""

F_LIMIT = 6.0
"""Least decrease of chi-squared per additional parameter, in units of chi-squared per
degree of freedom, for which a freer map is accepted."""

AFFINE = 2
FOLDS = 5
"""Parts of the stars left out in turn: a polynomial must predict these stars better."""

COVER_CELLS = 4
MIN_COVER = 0.75
"""Share of the frame's 4 x 4 cells, corner blocks included, that must hold a star
before a polynomial is tried: it is determined between stars and diverges outside."""

MAX_SWING_PX = 0.3
"""Largest standard error of a polynomial anywhere on the frame."""

ENOUGH = 500
"""Number of pairs, the best measured ones, from which the kind of map is chosen."""

ROUNDS = 4
SETTLED = 0.05
"""Change of a star's weight between rounds below which the fit ends."""

MEDIAN_RADIUS = 1.1774
"""Median distance from the centre of a round Gaussian, in its sigmas."""

TUKEY = 6.0
"""Residuals beyond this many robust sigma get no weight."""


@dataclass(frozen=True)
class Pairs:
    """Stars of a frame and their target positions `goals`; all (n, 2), pixels.

    `pixels` are detector positions; `plane` the same on the focal plane, with the known
    distortion removed (equal to `pixels` without one); `sigma` (n,) the centroid error of
    a pair per axis.
    """

    pixels: Points
    plane: Points
    goals: Points
    sigma: NDArray[np.float64]

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.pixels)

    def part(self, which: NDArray[np.bool_ | np.intp]) -> Pairs:
        """Return some of the pairs.

        Parameters
        ----------
        which : (n,) or (m,)
            True for the pairs to keep, or their indices.

        Returns
        -------
        pairs
            In the order of the indices.
        """
        return Pairs(self.pixels[which], self.plane[which], self.goals[which], self.sigma[which])


@dataclass(frozen=True)
class PixelMap:
    """A map of positions: ``matrix plane + shift + terms · monomials(pixels)``.

    `freedom` indexes `KINDS`; `terms` has shape (k, 2), k = 0 without polynomial;
    `shape` is that of the frame, on which pixels are normalised.
    """

    matrix: Points
    shift: Points
    shape: tuple[int, int]
    freedom: int = 0
    terms: Points | None = None

    @property
    def kind(self) -> str:
        """The name of the map's kind, one of `KINDS`."""
        return KINDS[self.freedom]

    def __call__(self, pixels: Points, plane: Points) -> Points:
        """Return the mapped positions of points, (n, 2)."""
        there = plane @ self.matrix.T + self.shift
        if self.terms is None:
            return there
        return there + monomials(pixels, self.shape, self.freedom - 1) @ self.terms


def monomials(pixels: Points, shape: tuple[int, int], order: int) -> Points:
    """Return the polynomial terms of order 2 and up.

    Parameters
    ----------
    pixels : (n, 2)
        x and y, zero-based.
    shape : (ny, nx)
        Shape of the frame; its longer side spans -1 to 1.
    order
        Highest order, at least 2.

    Returns
    -------
    terms : (n, k)
        Dimensionless.
    """
    ny, nx = shape
    half = max(nx, ny) / 2
    u = (pixels[:, 0] - (nx - 1) / 2) / half
    v = (pixels[:, 1] - (ny - 1) / 2) / half
    return np.column_stack([u ** (n - j) * v**j for n in range(2, order + 1) for j in range(n + 1)])


def best_map(
    pairs: Pairs, start: Points, shape: tuple[int, int], *, careful: bool = True
) -> PixelMap:
    """Fit the simplest map that the stars support.

    Each freer map must lower chi-squared by more than its parameters are worth;
    polynomials must also predict left-out stars better, have stars all over the frame,
    and be well determined everywhere on it.

    Parameters
    ----------
    pairs
        Matched stars.
    start : (2, 2)
        Linear part of the map when nothing but a shift is fitted.
    shape : (ny, nx)
        Shape of the frame.
    careful
        False omits the cross-validation, as in intermediate rounds.

    Returns
    -------
    map
        Map from the frame's focal plane to the target positions.
    """
    everyone = pairs
    if len(pairs) > ENOUGH:
        # More pairs would refine the fit, but hardly change which kind is chosen.
        pairs = pairs.part(np.argsort(pairs.sigma, kind="stable")[:ENOUGH])
    best = _fit(pairs, start, shape, 0)
    chi2 = _chi2(pairs, best)
    for freedom in range(1, len(PARAMETERS)):
        if len(pairs) < STARS_NEEDED[freedom]:
            break
        if freedom > AFFINE and not _covered(pairs.pixels, shape):
            break
        trial = _fit(pairs, start, shape, freedom)
        new = _chi2(pairs, trial)
        gain = (chi2 - new) / (PARAMETERS[freedom] - PARAMETERS[best.freedom])
        free = max(2 * len(pairs) - PARAMETERS[freedom], 1)
        if gain <= F_LIMIT * max(new / free, 1e-12):
            continue
        if freedom > AFFINE and (
            swing_px(pairs, trial) > MAX_SWING_PX
            or (careful and not _foretells(pairs, start, shape, best.freedom, freedom))
        ):
            continue
        best, chi2 = trial, new
    if careful and pairs is not everyone:
        best = _fit(everyone, start, shape, best.freedom)
    return best


def swing_px(pairs: Pairs, found: PixelMap) -> float:
    """Return the map's largest standard error anywhere on the frame, per axis.

    It follows from the errors of the pairs, enlarged where they scatter more.

    Parameters
    ----------
    pairs
        Stars that the map was fitted to.
    found
        The map.

    Returns
    -------
    error : pixels
        Standard error of the linear or polynomial map, at the worst point of the frame's lattice.
    """
    edge = _lattice(found.shape)
    design = _design(pairs.pixels, pairs.plane, found)
    there = _design(edge, edge, found)
    weight = 1 / pairs.sigma**2
    scale = max(float(np.median(_pulls(pairs, found))) / MEDIAN_RADIUS, 1.0)
    covariance = np.linalg.pinv(_gram(design * weight[:, None], design))
    variance = np.einsum("ij,jk,ik->i", there, covariance, there)
    return scale * float(np.sqrt(np.max(variance)))


def _lattice(shape: tuple[int, int]) -> Points:
    """Return positions from corner to corner, where stars constrain a map least."""
    ny, nx = shape
    return np.array([(x, y) for x in np.linspace(0, nx - 1, 5) for y in np.linspace(0, ny - 1, 5)])


def _design(pixels: Points, plane: Points, found: PixelMap) -> Points:
    """Return the design matrix of a linear or polynomial map, all columns of order one."""
    columns = [plane / max(found.shape), np.ones((len(plane), 1))]
    if found.freedom > AFFINE:
        columns.append(monomials(pixels, found.shape, found.freedom - 1))
    return np.column_stack(columns)


def _foretells(pairs: Pairs, start: Points, shape: tuple[int, int], simple: int, free: int) -> bool:
    """Return whether the freer map is nearer to the stars that were left out of the fit."""
    number = np.arange(len(pairs)) % FOLDS
    misses = np.zeros(2)
    for fold in range(FOLDS):
        seen, unseen = pairs.part(number != fold), pairs.part(number == fold)
        for k, freedom in enumerate((simple, free)):
            misses[k] += _chi2(unseen, _fit(seen, start, shape, freedom))
    return bool(misses[1] < misses[0])


def _covered(pixels: Points, shape: tuple[int, int]) -> bool:
    """Return whether stars lie in most cells, three of four corners and every quarter."""
    cells = np.floor(pixels / np.array(shape[::-1]) * COVER_CELLS).astype(int)
    counts = np.zeros((COVER_CELLS, COVER_CELLS), dtype=int)
    column, row = np.clip(cells, 0, COVER_CELLS - 1).T
    np.add.at(counts, (row, column), 1)
    half = COVER_CELLS // 2
    quarters = counts.reshape(2, half, 2, half).sum(axis=(1, 3))
    outer = [counts[r, c] for r in (0, -1) for c in (0, -1)]
    is_cornered = sum(count > 0 for count in outer) >= len(outer) - 1
    return bool(np.mean(counts > 0) >= MIN_COVER and is_cornered and quarters.min() >= 1)


def _fit(pairs: Pairs, start: Points, shape: tuple[int, int], freedom: int) -> PixelMap:
    """Fit one kind of map by reweighted least squares: outliers lose their weight."""
    fit = (_fit_shift, _fit_similarity, _fit_affine)[min(freedom, AFFINE)]
    return _reweighted(pairs, lambda weight: fit(pairs, weight, start, shape, freedom))


def _reweighted(pairs: Pairs, fit: Callable[[NDArray[np.float64]], PixelMap]) -> PixelMap:
    # Means of one, so that the sums stay of order one too.
    weight = float(np.mean(pairs.sigma**2)) / pairs.sigma**2
    found = fit(weight)
    before = np.ones(len(pairs))
    for _ in range(ROUNDS - 1):
        pull = _pulls(pairs, found)
        limit = TUKEY * max(float(np.median(pull)) / MEDIAN_RADIUS, 1.0)
        kept = np.maximum(1 - (pull / limit) ** 2, 0) ** 2
        if np.count_nonzero(kept) < STARS_NEEDED[found.freedom]:
            break
        if np.abs(kept - before).max() < SETTLED:
            break
        before = kept
        found = fit(weight * np.maximum(kept, 1e-9))
    return found


def _pulls(pairs: Pairs, linear: PixelMap) -> NDArray[np.float64]:
    """Return the distance of every pair from its target, in sigma."""
    left = pairs.goals - linear(pairs.pixels, pairs.plane)
    return np.hypot(left[:, 0], left[:, 1]) / pairs.sigma


def _chi2(pairs: Pairs, found: PixelMap) -> float:
    """Return the sum of squared residuals in sigma, each limited so that outliers count less."""
    left = (pairs.goals - found(pairs.pixels, pairs.plane)) / pairs.sigma[:, None]
    scale = max(mad_sigma(left, 0), 1.0)
    return float(np.minimum(left**2, (4 * scale) ** 2).sum())


def _fit_shift(
    pairs: Pairs, weight: NDArray[np.float64], start: Points, shape: tuple[int, int], freedom: int
) -> PixelMap:
    turned = pairs.plane @ start.T
    shift = np.average(pairs.goals - turned, axis=0, weights=weight)
    return PixelMap(start, shift, shape, freedom)


def _fit_similarity(
    pairs: Pairs, weight: NDArray[np.float64], start: Points, shape: tuple[int, int], freedom: int
) -> PixelMap:
    """Fit shift, rotation and scale; mirrored when the start is."""
    mirror = np.diag([1.0, -1.0 if np.linalg.det(start) < 0 else 1.0])
    plane = pairs.plane @ mirror
    centre = np.average(plane, axis=0, weights=weight)
    goal = np.average(pairs.goals, axis=0, weights=weight)
    turn = turn_between(plane - centre, pairs.goals - goal, weight)
    return PixelMap(turn @ mirror, goal - turn @ centre, shape, freedom)


def _fit_affine(
    pairs: Pairs, weight: NDArray[np.float64], start: Points, shape: tuple[int, int], freedom: int
) -> PixelMap:
    """Fit any linear map, plus the polynomial that the freedom allows."""
    found = PixelMap(start, np.zeros(2), shape, freedom)
    design = _design(pairs.pixels, pairs.plane, found)
    terms = _solved(design, pairs.goals, weight)
    bend = terms[3:] if freedom > AFFINE else None
    return PixelMap(terms[:2].T / max(shape), terms[2], shape, freedom, bend)


def _solved(design: Points, goals: Points, weight: NDArray[np.float64]) -> Points:
    """Solve the normal equations; columns are of order one, so nothing is lost."""
    weighted = design * weight[:, None]
    terms = np.linalg.pinv(_gram(weighted, design)) @ _gram(weighted, goals)
    return np.asarray(terms, dtype=np.float64)


def _gram(first: Points, second: Points) -> Points:
    # Not by BLAS: its threads cost more than these small sums.
    return np.einsum("ki,kj->ij", first, second)
