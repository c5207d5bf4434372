"""How a zero point varies over the frame: patchy clouds, a bad flat, a wrong PSF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.robust import mad_sigma

Array = NDArray[np.float64]
CELLS = 3
MIN_CELL_STARS = 6
MIN_STARS = 12
"""With fewer stars than this the variation over the field is not measured."""

UNEVEN_MAG = 0.05
UNEVEN_SIGMA = 5.0
"""A variation above both limits is due to clouds, not to the noise of a few stars."""

HUBER = 2.0
ROUNDS = 10
MEDIAN_COST = 1.2533
"""Standard error of a median over that of a mean."""


@dataclass(frozen=True)
class FieldVariation:
    """Departure of the zero point over the frame, magnitudes; NaN: not measured.

    `gradient_mag` is the plane's difference between opposite corners, along its steepest
    direction; `cell_mag` the largest departure (signed) of a cell of the coarse grid that
    is significant, `cell_sigma` its significance; `grid_mag` (3, 3) the medians, row 0 at
    the lowest y, NaN in cells with few stars.
    """

    gradient_mag: float
    gradient_sigma: float
    cell_mag: float
    cell_sigma: float
    grid_mag: Array

    @property
    def is_uneven(self) -> bool:
        """Whether the frame was dimmed unevenly, beyond noise."""
        pairs = (
            (self.gradient_mag, self.gradient_sigma),
            (abs(self.cell_mag), self.cell_sigma),
        )
        return any(m > UNEVEN_MAG and s > UNEVEN_SIGMA for m, s in pairs)

    @property
    def largest_mag(self) -> float:
        """The larger of gradient and cell departure, magnitudes."""
        known = [v for v in (self.gradient_mag, abs(self.cell_mag)) if np.isfinite(v)]
        return max(known, default=float("nan"))


_NAN = float("nan")
UNKNOWN = FieldVariation(_NAN, _NAN, _NAN, _NAN, np.full((CELLS, CELLS), _NAN))


def variation(
    x: Array, y: Array, left: Array, error: Array, shape: tuple[int, int]
) -> FieldVariation:
    """Measure a plane and a coarse grid of the stars' departures.

    Parameters
    ----------
    x, y : (n,), pixels
        Positions of the stars.
    left : (n,), magnitudes
        Departure of each star from the frame's zero point.
    error : (n,), magnitudes
        Photon error of each star; scatter beyond it is measured here.
    shape : (ny, nx)
        Shape of the frame.

    Returns
    -------
    variation
        `UNKNOWN` with fewer than 12 stars.

    References
    ----------
    Huber 1964, Ann. Math. Stat. 35, 73: the weights of the plane.
    """
    if len(x) < MIN_STARS:
        return UNKNOWN
    ny, nx = shape
    u, v = 2 * x / (nx - 1) - 1, 2 * y / (ny - 1) - 1
    tilt, sigma = _plane(u, v, left, error)
    cell_mag, cell_sigma, grid = _cells(u, v, left, error)
    return FieldVariation(tilt, sigma, cell_mag, cell_sigma, grid)


def _plane(u: Array, v: Array, left: Array, error: Array) -> tuple[float, float]:
    """Return the plane's corner-to-corner difference and its significance."""
    design = np.column_stack([np.ones_like(u), u, v])
    weight = 1 / error**2
    terms, curvature = np.zeros(3), np.eye(3)
    for _ in range(ROUNDS):
        pull = np.abs(left - np.einsum("ij,j->i", design, terms)) / error
        share = weight * np.minimum(1, HUBER / np.maximum(pull, 1e-9))
        curvature = np.einsum("ki,kj->ij", design * share[:, None], design)
        terms = np.linalg.pinv(curvature) @ np.einsum("ki,k->i", design, share * left)
    spread = left - np.einsum("ij,j->i", design, terms)
    scale = max(mad_sigma(spread / error, 0), 1.0)
    covariance = np.linalg.pinv(curvature)[1:, 1:] * scale**2
    slope = terms[1:]
    significance = float(np.sqrt(max(slope @ np.linalg.pinv(covariance) @ slope, 0)))
    return float(2 * np.abs(slope).sum()), significance


def _cells(u: Array, v: Array, left: Array, error: Array) -> tuple[float, float, Array]:
    """Return the most significant cell's departure, its sigmas, and the grid."""
    column = np.clip(((u + 1) / 2 * CELLS).astype(int), 0, CELLS - 1)
    row = np.clip(((v + 1) / 2 * CELLS).astype(int), 0, CELLS - 1)
    grid = np.full((CELLS, CELLS), np.nan)
    worst = 0.0, 0.0
    for i in range(CELLS):
        for j in range(CELLS):
            here = (row == i) & (column == j)
            n = int(np.count_nonzero(here))
            if n < MIN_CELL_STARS:
                continue
            grid[i, j] = np.median(left[here])
            within = mad_sigma(left[here], float(grid[i, j]))
            noise = max(within, float(np.median(error[here])))
            sigma = abs(float(grid[i, j])) / (MEDIAN_COST * noise / np.sqrt(n))
            if sigma > worst[1]:
                worst = float(grid[i, j]), sigma
    return worst[0], worst[1], grid
