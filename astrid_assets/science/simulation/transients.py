"""What changes in the sky: supernovae, variable stars and asteroids together.

A change is a flux in electrons of a clear exposure on top of the quiescent level:
the mean over all exposures of the quiet nights, which is what a reference made of
those nights shows. Where and how it appears on a frame is `truth`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from astrid_assets.science.simulation.asteroids import asteroids_of_night
from astrid_assets.science.simulation.catalogue import star_catalogue
from astrid_assets.science.simulation.optics import to_sky, true_wcs
from astrid_assets.science.simulation.placement import Room
from astrid_assets.science.simulation.supernovae import (
    SupernovaSite,
    active_supernovae,
    choose_sites,
)
from astrid_assets.science.simulation.variables import Variable, choose_variables
from astrid_assets.science.simulation.weather import mid_mjd

if TYPE_CHECKING:
    from astrid_assets.science.simulation.scene import SimulationPlan

Kind = Literal["supernova", "variable", "asteroid"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One changing source at one moment.

    Attributes
    ----------
    truth_id, kind
        Identity, the same on every frame, and what it is.
    ra_deg, dec_deg : degrees
        Position in the middle of the exposure, without refraction.
    flux_e : electrons of a clear exposure
        Change of flux.
    underlying_e : electrons of a clear exposure
        Flux of the star at the same position at the quiescent level.
    host_e : electrons per pixel
        Light of a galaxy at the position.
    colour
        Relative to the mean star; refraction moves the source with it.
    motion_px : (dx, dy), pixels
        Path during the exposure.
    """

    truth_id: str
    kind: Kind
    ra_deg: float
    dec_deg: float
    flux_e: float
    underlying_e: float = 0.0
    host_e: float = 0.0
    colour: float = 0.0
    motion_px: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class _Population:
    """Everything that varies without moving, and the room that it occupies."""

    sites: tuple[SupernovaSite, ...]
    variables: tuple[Variable, ...]
    room: Room


@lru_cache(maxsize=4)
def _population(plan: SimulationPlan) -> _Population:
    room = Room(plan)
    sites = choose_sites(plan, room)
    return _Population(sites=sites, variables=choose_variables(plan, room), room=room)


def changes(plan: SimulationPlan, night: int, index: int) -> list[Change]:
    """Return everything that differs from the quiescent sky in one exposure.

    Parameters
    ----------
    plan
        The survey.
    night, index
        Night of the survey and frame of the night, both from 0.

    Returns
    -------
    changes
        Variable stars, supernovae and asteroids, in this order; also those off the frame.
    """
    day = mid_mjd(plan, night, index) - plan.first_mjd
    population = _population(plan)
    supernovae = active_supernovae(plan, population.sites, day)
    asteroids = asteroids_of_night(plan, night, population.room)
    ra, dec = to_sky(
        true_wcs(plan),
        np.array([*(s.x for _, s, _ in supernovae), *(a.x[index] for a in asteroids)]),
        np.array([*(s.y for _, s, _ in supernovae), *(a.y[index] for a in asteroids)]),
    )
    found = _variable_changes(plan, population.variables, day)
    for (name, site, flux), at_ra, at_dec in zip(supernovae, ra, dec, strict=False):
        found.append(
            Change(
                truth_id=name,
                kind="supernova",
                ra_deg=float(at_ra),
                dec_deg=float(at_dec),
                flux_e=flux,
                host_e=site.host_e,
            )
        )
    n = len(supernovae)
    for number, asteroid in enumerate(asteroids):
        found.append(
            Change(
                truth_id=f"asteroid-{night:03d}-{number:02d}",
                kind="asteroid",
                ra_deg=float(ra[n + number]),
                dec_deg=float(dec[n + number]),
                flux_e=asteroid.flux_e,
                motion_px=asteroid.motion_px,
            )
        )
    return found


def variable_star_indices(plan: SimulationPlan) -> list[int]:
    """Return which stars of the catalogue vary.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    indices
        Into `catalogue.star_catalogue`.
    """
    return [variable.star for variable in _population(plan).variables]


def _variable_changes(
    plan: SimulationPlan, variables: tuple[Variable, ...], day: float
) -> list[Change]:
    stars = star_catalogue(plan)
    return [
        Change(
            truth_id=f"variable-{number:03d}",
            kind="variable",
            ra_deg=float(stars.ra_deg[v.star]),
            dec_deg=float(stars.dec_deg[v.star]),
            flux_e=float(v.light(np.array([day]))[0]) - v.quiescent_e,
            # The catalogue's flux is the quiescent one.
            underlying_e=float(stars.flux_e[v.star]),
            colour=float(stars.colour[v.star]),
        )
        for number, v in enumerate(variables)
    ]
