"""Supernovae: a rise and a decline in or beside a galaxy, once per host and cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.simulation.catalogue import galaxy_catalogue
from astrid_assets.science.simulation.galaxies import surface_brightness_e
from astrid_assets.science.simulation.placement import Room, log_uniform, point_noise_e
from astrid_assets.science.simulation.scene import QUIET_NIGHTS

if TYPE_CHECKING:
    from astrid_assets.science.simulation.scene import SimulationPlan

CYCLE_NIGHTS = 40
"""Half of the hosts has its turn in one cycle, the other half in the next."""

LIFE_DAYS = 38.0
SNR_SUPERNOVA = (9.0, 110.0)


@dataclass(frozen=True, kw_only=True)
class SupernovaSite:
    """Where a host's supernovae appear, in pixels of the nominal pointing."""

    galaxy: int
    x: float
    y: float
    host_e: float
    """Electrons per pixel of the host at this position, in median seeing."""


def choose_sites(plan: SimulationPlan, room: Room) -> tuple[SupernovaSite, ...]:
    """Draw the galaxies in which stars explode, and where in them.

    Parameters
    ----------
    plan
        The survey.
    room
        Free positions; those of the sites are taken from it.

    Returns
    -------
    sites
        Fewer than the scene's number where galaxies lie too close together.
    """
    galaxies, rng = galaxy_catalogue(plan), plan.rng("supernova hosts")
    psf_sigma = plan.scene.seeing_px[0] / 2.355
    wanted = plan.count(plan.scene.supernova_hosts)
    found: list[SupernovaSite] = []
    for i in rng.permutation(len(galaxies.x)):
        if len(found) == wanted:
            break
        # Supernovae follow the light: half of them inside the half-light radius.
        distance = galaxies.radius_px[i] * abs(rng.normal(0.6, 0.6))
        angle = rng.uniform(0, 2 * np.pi)
        x = float(galaxies.x[i] + distance * np.cos(angle))
        y = float(galaxies.y[i] + distance * np.sin(angle))
        if room.take(x, y):
            host = surface_brightness_e(galaxies, int(i), float(distance), psf_sigma)
            found.append(SupernovaSite(galaxy=int(i), x=x, y=y, host_e=host))
    return tuple(found)


def active_supernovae(
    plan: SimulationPlan, sites: tuple[SupernovaSite, ...], day: float
) -> list[tuple[str, SupernovaSite, float]]:
    """Return the supernovae that shine at one moment.

    Parameters
    ----------
    plan
        The survey.
    sites
        All sites; every other one has its turn in a cycle.
    day : days
        Since the first midnight.

    Returns
    -------
    supernovae
        Name, site and flux (electrons of a clear exposure) of each.
    """
    now = int(day // CYCLE_NIGHTS)
    found = []
    for cycle in range(max(now - 1, 0), now + 1):
        for number, site in enumerate(sites):
            if len(sites) > 1 and number % 2 != cycle % 2:
                continue
            flux = _flux(plan, plan.rng("supernova", cycle, number), cycle, day)
            if flux > 0:
                found.append((f"supernova-{cycle:02d}-{number:03d}", site, flux))
    return found


def _flux(plan: SimulationPlan, rng: np.random.Generator, cycle: int, day: float) -> float:
    peak = point_noise_e(plan) * log_uniform(rng, *SNR_SUPERNOVA)
    rise, fall, when = rng.uniform(2, 4), rng.uniform(6, 13), rng.uniform()
    # The first cycle begins after the quiet nights, with more of them early: a
    # short survey sees many.
    first = QUIET_NIGHTS - 0.6
    start = (
        first + (CYCLE_NIGHTS - first) * when**2.4 if cycle == 0 else CYCLE_NIGHTS * (cycle + when)
    )
    age = day - start
    if not 0 < age < LIFE_DAYS:
        return 0.0
    return peak * ((age / rise) ** 2 if age < rise else float(np.exp(-(age - rise) / fall)))
