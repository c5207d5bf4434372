"""The flux ratio of two images over the frame, from the ratios of single stars.

One number is enough for most pairs. Thin clouds, extinction over a wide field, or a
flat field that changed make it a smooth function of position. A polynomial is taken
where the stars show one beyond doubt, and a constant otherwise: a slope that is not
there would put an error of its own on every star. Which stars count is decided in
`star_fit`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.differencing.noise import unit_scatter

Values = NDArray[np.float64]

PERCENT_FLOOR = 0.01  # no star weighs more than one measured to this precision
POWERS = ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
"""Powers of u and v, the position from -1 to 1 over the frame; the constant is apart."""

TERMS_BY_STARS = ((12, 2), (40, 5))
"""Stars needed, and the terms that they allow: five stars per coefficient at least."""

SIGNIFICANT = 30.0
"""Chi-square that a further degree must gain: chance does so once in 10^6 pairs."""

MOST_CHANGE = 4.0
"""Highest over lowest ratio on a frame: a polynomial diverges where no star lies."""


@dataclass(frozen=True)
class FluxRatio:
    """F_n / F_r: ``level * (1 + polynomial)``.

    Attributes
    ----------
    level
        Weighted mean of the stars, or the value in the middle of a polynomial.
    terms : (k,)
        Coefficients of `POWERS`; none where the ratio is constant.
    shape
        Shape of the frame, (ny, nx) pixels.
    """

    level: float
    terms: Values
    shape: tuple[int, int]

    def at(self, x: Values, y: Values) -> Values:
        """Return the ratio at positions.

        Parameters
        ----------
        x, y : (n,), pixels
            Positions on the science frame.

        Returns
        -------
        ratio : (n,)
            F_n / F_r.
        """
        if not len(self.terms):
            return np.full(np.shape(x), self.level)
        return self.level * (1 + _design(x, y, self.shape)[:, : len(self.terms)] @ self.terms)

    def on_frame(self) -> np.float32 | NDArray[np.float32]:
        """Return the factor that the reference is multiplied by.

        Returns
        -------
        ratio : a number, or (ny, nx)
            F_n / F_r, constant or at each pixel.
        """
        if not len(self.terms):
            return np.float32(self.level)
        v, u = (np.linspace(-1, 1, n, dtype=np.float32) for n in self.shape)
        plane = np.ones(self.shape, dtype=np.float32)
        for (p, q), term in zip(POWERS, self.terms, strict=False):
            plane += np.outer(np.float32(term) * v**q, u**p)
        plane *= np.float32(self.level)
        return plane

    @property
    def change(self) -> float:
        """By how much it changes over the frame, relative; 0 where it is constant."""
        lowest, highest = self.extremes()
        return (highest - lowest) / self.level

    def extremes(self) -> tuple[float, float]:
        """Return the lowest and the highest ratio on the frame.

        Returns
        -------
        lowest, highest
            F_n / F_r on a grid of 9 by 9 positions.
        """
        ny, nx = self.shape
        x, y = np.meshgrid(np.linspace(0, nx - 1, 9), np.linspace(0, ny - 1, 9))
        found = self.at(x.ravel(), y.ravel())
        return float(found.min()), float(found.max())


def fit_ratio(
    x: Values, y: Values, ratios: Values, snr: Values, shape: tuple[int, int]
) -> FluxRatio:
    """Fit the stars' ratios, with as many terms as they show beyond doubt.

    Parameters
    ----------
    x, y : (n,), pixels
        Positions of stars that agree with each other.
    ratios, snr : (n,)
        Their flux ratios, and signal to noise.
    shape
        Shape of the frame, (ny, nx) pixels.

    Returns
    -------
    ratio
        F_n / F_r over the frame.
    """
    error = np.hypot(1 / snr, PERCENT_FLOOR)
    level = float(np.average(ratios, weights=1 / error**2))
    best = FluxRatio(level, np.zeros(0), shape)
    for needed, count in TERMS_BY_STARS:
        if len(x) < needed:
            break
        # Scatter beyond photon noise enlarges the errors of all stars, bright ones included.
        more = _fitted(x, y, ratios, error, shape, count)
        residual2 = (ratios / more.at(x, y) - 1) ** 2
        wide = np.sqrt(error**2 + unit_scatter(residual2, error**2, np.ones_like(x)))
        more = _fitted(x, y, ratios, wide, shape, count)
        before, after = (
            float((((ratios / fit.at(x, y) - 1) / wide) ** 2).sum()) for fit in (best, more)
        )
        lowest, highest = more.extremes()
        if before - after > SIGNIFICANT and highest < MOST_CHANGE * lowest:
            best = more
    return best


def _fitted(
    x: Values, y: Values, ratios: Values, error: Values, shape: tuple[int, int], count: int
) -> FluxRatio:
    design = np.column_stack([np.ones_like(x), _design(x, y, shape)[:, :count]])
    # Errors are relative, of the ratio itself.
    weight = 1 / (error * ratios)
    solution, *_ = np.linalg.lstsq(design * weight[:, None], ratios * weight, rcond=None)
    return FluxRatio(float(solution[0]), solution[1:] / solution[0], shape)


def _design(x: Values, y: Values, shape: tuple[int, int]) -> Values:
    u, v = (2 * at / max(n - 1, 1) - 1 for at, n in ((x, shape[1]), (y, shape[0])))
    return np.column_stack([u**p * v**q for p, q in POWERS])
