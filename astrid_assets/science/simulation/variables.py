"""Variable stars: which stars vary, how, and by how much at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from astrid_assets.science.simulation.catalogue import saturating_flux_e, star_catalogue
from astrid_assets.science.simulation.placement import Room, log_uniform, point_noise_e
from astrid_assets.science.simulation.scene import QUIET_NIGHTS
from astrid_assets.science.simulation.weather import mid_mjd

if TYPE_CHECKING:
    from astrid_assets.science.simulation.point_spread import Array
    from astrid_assets.science.simulation.scene import SimulationPlan

SNR_VARIABLE = (8.0, 110.0)
ECLIPSE_CENTRE_DAYS = 0.11
"""After midnight: eclipses happen while the telescope looks."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable star: `amplitude_e` scales a light curve of its shape."""

    star: int
    shape: Literal["slow", "pulsating", "eclipsing", "eruptive"]
    amplitude_e: float
    period_days: float
    phase: float
    quiescent_e: float = 0.0
    """Mean of the light curve over the quiet nights."""

    def light(self, day: Array) -> Array:
        """Return the change of flux, before its mean over the quiet nights is subtracted.

        Parameters
        ----------
        day : (n,), days
            Since the first midnight.

        Returns
        -------
        change : (n,), electrons of a clear exposure
            Positive or negative; outbursts only add.
        """
        turn = day / self.period_days + self.phase
        if self.shape == "slow":
            curve = np.cos(2 * np.pi * turn)
        elif self.shape == "pulsating":
            # A quick rise and a slow decline, as RR Lyrae stars have.
            t = turn % 1
            curve = np.where(t < 0.15, t / 0.15, 1 - (t - 0.15) / 0.85) * 2 - 1
        elif self.shape == "eclipsing":
            depth = np.abs((turn + 0.5) % 1 - 0.5) * self.period_days
            curve = np.where(depth < 0.35, -1.0, 0.0)
        else:
            age = day - self.phase
            rise, fall = np.clip(age / 0.8, 0, 1), np.exp(-np.maximum(age - 0.8, 0) / 4)
            curve = rise * fall
        return self.amplitude_e * curve


def choose_variables(plan: SimulationPlan, room: Room) -> tuple[Variable, ...]:
    """Draw the variable stars of a survey.

    Parameters
    ----------
    plan
        The survey.
    room
        Free positions; those of the variables are taken from it.

    Returns
    -------
    variables
        Fewer than the scene's number where too few stars have the wanted flux and room.
    """
    stars, rng = star_catalogue(plan), plan.rng("variables")
    noise, brightest = point_noise_e(plan), 0.6 * saturating_flux_e(plan)
    quiet_days = np.array(
        [
            mid_mjd(plan, night, index) - plan.first_mjd
            for night in range(QUIET_NIGHTS)
            for index in range(plan.frames_per_night)
        ]
    )
    found: list[Variable] = []
    shapes = ("slow", "pulsating", "slow", "eclipsing", "pulsating", "eruptive")
    wanted = plan.count(plan.scene.variables)
    for attempt in range(60 * wanted):
        if len(found) == wanted:
            break
        shape = shapes[len(found) % len(shapes)]
        change = noise * log_uniform(rng, *SNR_VARIABLE)
        # A full swing is twice the amplitude and must leave light; outbursts only add.
        low, high = (0.05, 2.0) if shape == "eruptive" else (2.3, 12.0)
        able = np.flatnonzero(
            (stars.flux_e > low * change)
            & (stars.flux_e < min(high * change, brightest))
            & ~stars.motion_px.any(axis=1)
        )
        if not able.size:
            continue
        star = int(rng.choice(able))
        period, phase = _rhythm(shape, rng, attempt)
        if room.take(stars.x[star], stars.y[star]):
            variable = Variable(
                star=star,
                shape=shape,
                amplitude_e=change,
                period_days=period,
                phase=phase,
            )
            quiet = float(variable.light(quiet_days).mean())
            found.append(replace(variable, quiescent_e=quiet))
    return tuple(found)


def _rhythm(shape: str, rng: np.random.Generator, attempt: int) -> tuple[float, float]:
    """Return period and phase (for outbursts: the day it starts)."""
    if shape == "slow":
        # Near an extremum on the quiet nights: two of three fade, one rises.
        start = 0.5 if attempt % 3 == 0 else 0.0
        return rng.uniform(14, 32), start + rng.uniform(-0.1, 0.02)
    if shape == "pulsating":
        return rng.uniform(0.35, 0.8), rng.uniform(0, 1)
    if shape == "eclipsing":
        # In eclipse on one night of four to six, never on the quiet nights.
        first = QUIET_NIGHTS + int(rng.integers(0, 2))
        period = float(first + rng.integers(1, 3))
        return period, -(first + ECLIPSE_CENTRE_DAYS) / period
    return np.inf, QUIET_NIGHTS + rng.uniform(0, 6)
