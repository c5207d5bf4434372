"""The constant sky: stars and galaxies, the same on every frame of a survey."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.simulation.optics import to_sky, true_wcs

if TYPE_CHECKING:
    from astrid_assets.science.simulation.point_spread import Array
    from astrid_assets.science.simulation.scene import SimulationPlan

MARGIN_PX = 60
"""The sky goes on this far beyond the nominal frame: jitter and wings come in."""

MOVING_STARS = 6
"""Bright stars with a proper motion that leaves dipoles, per full frame."""


PEAK = 0.62
"""Flux in the peak pixel of a Moffat PSF times its FWHM squared, about."""


@dataclass(frozen=True, kw_only=True)
class StarCatalogue:
    """Stars, brightest first; `x`, `y` are pixels of the nominal pointing.

    `flux_e` is for a clear sky and the whole exposure; `colour` is relative to the
    mean star; `motion_px` pixels per day, zero for almost all.
    """

    x: Array
    y: Array
    ra_deg: Array
    dec_deg: Array
    flux_e: Array
    colour: Array
    motion_px: Array


@dataclass(frozen=True, kw_only=True)
class GalaxyCatalogue:
    """Galaxies: a bulge in a disk of the same half-light radius and shape."""

    x: Array
    y: Array
    ra_deg: Array
    dec_deg: Array
    flux_e: Array
    radius_px: Array
    axis_ratio: Array
    angle_rad: Array
    bulge_fraction: Array


def _counts(rng: np.random.Generator, n: int, mag: tuple[float, float], slope: float) -> Array:
    """Draw magnitudes with ``dN/dm`` growing as ``10 ** (slope * m)``, sorted."""
    lowest = 10 ** (slope * (mag[0] - mag[1]))
    return np.sort(mag[1] + np.log10(rng.uniform(lowest, 1, n)) / slope)


def _scatter(plan: SimulationPlan, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    ny, nx = plan.shape
    return (
        rng.uniform(-MARGIN_PX, nx + MARGIN_PX, n),
        rng.uniform(-MARGIN_PX, ny + MARGIN_PX, n),
    )


def _with_margin(plan: SimulationPlan, per_frame: int) -> int:
    ny, nx = plan.shape
    grown = (ny + 2 * MARGIN_PX) * (nx + 2 * MARGIN_PX) / (ny * nx)
    return round(plan.count(per_frame) * grown)


@lru_cache(maxsize=4)
def star_catalogue(plan: SimulationPlan) -> StarCatalogue:
    """Return the stars of a survey; they are drawn once per plan.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    stars
        Brightest first, up to `MARGIN_PX` beyond the nominal frame.
    """
    scene, rng = plan.scene, plan.rng("stars")
    n = _with_margin(plan, scene.stars)
    x, y = _scatter(plan, rng, n)
    mag = _counts(rng, n, scene.star_mag, scene.counts_slope)
    flux = 10 ** (-0.4 * (mag - scene.zero_point_total_mag))
    bright = min(plan.count(scene.bright_stars, least=0), n)
    flux[:bright] = saturating_flux_e(plan) * 10 ** rng.uniform(0.1, 1.4, bright)
    flux = -np.sort(-flux)
    motion = np.zeros((n, 2))
    # Neither saturated nor too faint for their motion to be seen.
    able = np.flatnonzero((flux > 2e4) & (flux < 2.5 * scene.full_well_e))
    moving = rng.choice(able, min(plan.count(MOVING_STARS), able.size), replace=False)
    speed, angle = rng.uniform(0.02, 0.12, moving.size), rng.uniform(0, 7, moving.size)
    motion[moving] = np.stack([speed * np.cos(angle), speed * np.sin(angle)], axis=1)
    ra, dec = to_sky(true_wcs(plan), x, y)
    return StarCatalogue(
        x=x,
        y=y,
        ra_deg=ra,
        dec_deg=dec,
        flux_e=flux,
        colour=rng.normal(0, 0.6, n),
        motion_px=motion,
    )


@lru_cache(maxsize=4)
def galaxy_catalogue(plan: SimulationPlan) -> GalaxyCatalogue:
    """Return the galaxies of a survey; they are drawn once per plan.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    galaxies
        Brightest first, up to `MARGIN_PX` beyond the nominal frame.
    """
    scene, rng = plan.scene, plan.rng("galaxies")
    n = _with_margin(plan, scene.galaxies)
    x, y = _scatter(plan, rng, n)
    mag = _counts(rng, n, scene.galaxy_mag, 0.4)
    # Brighter ones look larger; 0.2 dex per magnitude would be constant brightness.
    relative = scene.galaxy_mag[1] - mag
    radius = np.clip(0.6 * 10 ** (0.10 * relative) * rng.lognormal(0, 0.3, n), 0.3, 9.0)
    ra, dec = to_sky(true_wcs(plan), x, y)
    return GalaxyCatalogue(
        x=x,
        y=y,
        ra_deg=ra,
        dec_deg=dec,
        flux_e=10 ** (-0.4 * (mag - scene.zero_point_total_mag)),
        radius_px=radius / scene.pixel_scale_arcsec,
        axis_ratio=rng.uniform(0.3, 1.0, n),
        angle_rad=rng.uniform(0, np.pi, n),
        bulge_fraction=rng.beta(1.4, 2.0, n),
    )


def saturating_flux_e(plan: SimulationPlan) -> float:
    """Return the flux of a star whose peak pixel reaches the full well in the best seeing.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    flux : electrons
        In the whole exposure.
    """
    scene = plan.scene
    return scene.full_well_e * scene.seeing_limits_px[0] ** 2 / PEAK


def saturated_stars(plan: SimulationPlan) -> tuple[Array, Array, Array]:
    """Return the stars that may saturate.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    x, y : (n,), pixels
        Positions in the nominal frame.
    relative_flux : (n,)
        Flux over `saturating_flux_e`, above 0.9.
    """
    stars = star_catalogue(plan)
    brightness = stars.flux_e / saturating_flux_e(plan)
    is_bright = brightness > 0.9
    return stars.x[is_bright], stars.y[is_bright], brightness[is_bright]
