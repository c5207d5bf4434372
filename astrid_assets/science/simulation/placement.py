"""Where changing sources may stand: apart, inside, and off the saturated stars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.simulation.catalogue import saturated_stars

if TYPE_CHECKING:
    from astrid_assets.science.simulation.scene import SimulationPlan

SEPARATION_PX = 14.0
KEEP_OFF_SATURATED_PX = 45.0
KEEP_OFF_PER_DEX_PX = 40.0
"""Brighter stars have wider halos in which nothing faint can be measured."""

BLEEDING_PX = (8.0, 160.0)
"""Half width and half height of the stripe of bleeding around a saturated star."""

BORDER_PX = 24.0


class Room:
    """Free positions of the nominal frame: apart, off the border and off saturated stars.

    Parameters
    ----------
    plan
        The survey.
    """

    def __init__(self, plan: SimulationPlan) -> None:
        self.ny, self.nx = plan.shape
        self.bright = saturated_stars(plan)
        self.x: list[float] = []
        self.y: list[float] = []

    def take(self, x: float, y: float) -> bool:
        """Occupy a position if it is free.

        Parameters
        ----------
        x, y : pixels
            Position on the nominal frame.

        Returns
        -------
        is_taken
            False where it was not free.
        """
        if not self.is_free(x, y):
            return False
        self.x.append(x)
        self.y.append(y)
        return True

    def is_free(self, x: float, y: float) -> bool:
        """Return whether a source may be placed here.

        Parameters
        ----------
        x, y : pixels
            Position on the nominal frame.

        Returns
        -------
        is_free
            True inside the border, off saturated stars and `SEPARATION_PX` from all that is taken.
        """
        inside = BORDER_PX < x < self.nx - 1 - BORDER_PX and BORDER_PX < y < self.ny - 1 - BORDER_PX
        bright_x, bright_y, brightness = self.bright
        dx, dy = np.abs(bright_x - x), np.abs(bright_y - y)
        halo = KEEP_OFF_PER_DEX_PX * np.log10(np.maximum(brightness, 1))
        glare = np.hypot(dx, dy) < KEEP_OFF_SATURATED_PX + halo
        bleeding = (dx < BLEEDING_PX[0]) & (dy < BLEEDING_PX[1])
        apart = np.hypot(np.array(self.x) - x, np.array(self.y) - y) > SEPARATION_PX
        return inside and not np.any(glare | bleeding) and bool(np.all(apart))


def point_noise_e(plan: SimulationPlan) -> float:
    """Return the 1-sigma flux error of a faint point source in median conditions.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    error : electrons
        By sky and read noise.
    """
    scene = plan.scene
    variance = scene.sky_e + scene.read_noise_e**2
    # Noise area of a Moffat of beta 3 integrated over pixels: about 2.8 FWHM².
    return float(np.sqrt(2.8 * scene.seeing_px[0] ** 2 * variance))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform.

    Parameters
    ----------
    rng
        Draws it.
    low, high
        Limits, above 0.

    Returns
    -------
    number
        From `low` to `high`.
    """
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
