"""Asteroids: every night has its own, moving from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.simulation.placement import (
    SEPARATION_PX,
    Room,
    log_uniform,
    point_noise_e,
)
from astrid_assets.science.simulation.scene import QUIET_NIGHTS
from astrid_assets.science.simulation.weather import start_mjd

if TYPE_CHECKING:
    from astrid_assets.science.simulation.point_spread import Array
    from astrid_assets.science.simulation.scene import SimulationPlan

SNR_ASTEROID = (6.5, 80.0)


@dataclass(frozen=True, kw_only=True)
class Asteroid:
    """A track over the nominal pointing: one position per frame of the night."""

    x: Array
    y: Array
    flux_e: float
    motion_px: tuple[float, float]
    """Path during one exposure."""


@lru_cache(maxsize=64)
def asteroids_of_night(plan: SimulationPlan, night: int, room: Room) -> tuple[Asteroid, ...]:
    """Draw tonight's asteroids: apart from each other and from all else in `room`.

    Parameters
    ----------
    plan
        The survey.
    night
        From 0; quiet nights have half as many.
    room
        Positions that supernovae and variable stars occupy; it is not changed.

    Returns
    -------
    asteroids
        Fewer than the scene's number where tracks find no room.
    """
    scene, rng = plan.scene, plan.rng("asteroids", night)
    start = start_mjd(plan, night, 0)
    hours = np.array(
        [(start_mjd(plan, night, i) - start) * 24 for i in range(plan.frames_per_night)]
    )
    # Half as many on quiet nights: a stack must be able to outvote them.
    count = plan.count(scene.asteroids / (2 if night < QUIET_NIGHTS else 1))
    found: list[Asteroid] = []
    for _ in range(40 * count):
        if len(found) == count:
            break
        speed = rng.uniform(*scene.asteroid_arcsec_per_hour) / scene.pixel_scale_arcsec
        angle, snr = rng.uniform(0, 2 * np.pi), log_uniform(rng, *SNR_ASTEROID)
        vx, vy = speed * np.cos(angle), speed * np.sin(angle)
        x = rng.uniform(0, plan.shape[1]) + vx * hours
        y = rng.uniform(0, plan.shape[0]) + vy * hours
        if _is_free(x, y, room, found):
            path = vx * scene.exposure_s / 3600, vy * scene.exposure_s / 3600
            flux = point_noise_e(plan) * snr
            found.append(Asteroid(x=x, y=y, flux_e=flux, motion_px=path))
    return tuple(found)


def _is_free(x: Array, y: Array, room: Room, others: list[Asteroid]) -> bool:
    """Return whether a track keeps clear of everything, on every frame."""
    return all(
        room.is_free(float(at_x), float(at_y)) for at_x, at_y in zip(x, y, strict=True)
    ) and all(
        np.all(np.hypot(x[:, None] - other.x, y[:, None] - other.y) > SEPARATION_PX)
        for other in others
    )
