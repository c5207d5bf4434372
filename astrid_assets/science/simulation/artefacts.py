"""What is on the frame and not in the sky: cosmic rays, satellites, ghosts, halos.

Every function adds expected electrons to an image in place; those whose pixels a
test must know return a mask of what they touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.simulation.painting import add_stamp, deposit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.simulation.point_spread import Array
    from astrid_assets.science.simulation.scene import SimulationPlan

STAR_LIKE_FRACTION = 0.35
"""Cosmic rays that come straight down: a blob as round as a star and sharper."""

TRAIL_PROBABILITY = 0.22
GLINT_PROBABILITY = 0.14
"""A tumbling satellite: a dotted line of unresolved flashes."""

AUREOLE_FRACTION = 0.03
"""Light of a star scattered beyond its PSF; only bright ones' is worth painting."""

AUREOLE_CORE_PX = 6.0
AUREOLE_REACH_PX = 110
PICKUP_SIGMA = 3.0
"""Amplitude of electrical interference over the noise of a dark sky."""

PUPIL_GHOST_FRACTION = 2.5e-3
FOCUSED_GHOST_FRACTION = 3.0e-4


def add_cosmic_rays(
    plan: SimulationPlan, charge_e: Image, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Add tracks and blobs of charge; return the pixels they hit noticeably.

    Parameters
    ----------
    plan
        The survey: its rate of cosmic rays and its dark sky.
    charge_e : (ny, nx), electrons
        Charge in the pixels; changed in place.
    rng
        Draws number, position, length and charge of the hits.

    Returns
    -------
    hit : (ny, nx)
        True where the added charge is above the photon noise of the dark sky.
    """
    ny, nx = plan.shape
    hit = np.zeros(plan.shape, np.float32)
    for _ in range(rng.poisson(plan.count(plan.scene.cosmic_rays))):
        x, y = rng.uniform(0, nx), rng.uniform(0, ny)
        if rng.uniform() < STAR_LIKE_FRACTION:
            # Charge made deep in a thick detector diffuses on its way.
            sigma = rng.uniform(0.55, 1.1)
            deposit(hit, x, y, 10 ** rng.uniform(2.9, 4.0), sigma)
            continue
        length = min(rng.exponential(7.0) + 0.5, 60.0)
        angle = rng.uniform(0, np.pi)
        steps = max(int(2 * length), 1)
        energy = 10 ** rng.uniform(2.2, 3.2) * np.exp(rng.normal(0, 0.25, steps))
        for t, e in zip(np.linspace(0, length, steps), energy, strict=True):
            deposit(hit, x + t * np.cos(angle), y + t * np.sin(angle), e, 0.28)
    charge_e += hit
    return hit > np.sqrt(plan.scene.sky_e)


def add_satellites(
    plan: SimulationPlan, photons_e: Image, fwhm_px: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Add at most one trail and one chain of glints; return the pixels they cover.

    Parameters
    ----------
    plan
        The survey: its dark sky sets how bright they are.
    photons_e : (ny, nx), electrons
        Light before the flat field; changed in place.
    fwhm_px : pixels
        FWHM of the frame's PSF.
    rng
        Draws whether they appear, where, and how bright.

    Returns
    -------
    touched : (ny, nx)
        True where the trail is above half of the sky's noise, and within two FWHM of the line
        of glints.
    """
    ny, nx = plan.shape
    v, u = np.ogrid[:ny, :nx]
    sigma_sky = np.sqrt(plan.scene.sky_e)
    touched = np.zeros(plan.shape, bool)
    has_trail, has_glints = rng.uniform(size=2) < (TRAIL_PROBABILITY, GLINT_PROBABILITY)
    x, y = rng.uniform(0.15, 0.85, 2) * (nx, ny)
    angle = rng.uniform(0, np.pi)
    width = 0.5 * fwhm_px * rng.uniform(1.0, 1.5)
    peak = sigma_sky * 10 ** rng.uniform(0.3, 1.4)
    if has_trail:
        across = (u - x) * np.sin(angle) - (v - y) * np.cos(angle)
        along = (u - x) * np.cos(angle) + (v - y) * np.sin(angle)
        profile = np.exp(-0.5 * (across / width) ** 2)
        profile *= 1 + 0.15 * np.sin(along / rng.uniform(25, 90))
        photons_e += (peak * profile).astype(np.float32)
        touched |= peak * profile > 0.5 * sigma_sky
    if has_glints:
        x, y = rng.uniform(0.2, 0.8, 2) * (nx, ny)
        angle, gap = rng.uniform(0, np.pi), rng.uniform(60, 150)
        direction = np.array([np.cos(angle), np.sin(angle)])
        flash = sigma_sky * fwhm_px * 10 ** rng.uniform(1.1, 1.8)
        # It moves on while it flashes: a little longer than a star is wide.
        steps = np.linspace(-0.5, 0.5, 7) * rng.uniform(0.9, 1.8) * fwhm_px
        for k in range(-10, 11):
            share = flash * rng.uniform(0.7, 1.3) / steps.size
            for step in steps:
                at_x, at_y = (x, y) + (k * gap + step) * direction
                deposit(photons_e, at_x, at_y, share, 0.43 * fwhm_px)
        across = (u - x) * direction[1] - (v - y) * direction[0]
        touched |= np.abs(across) < 2 * fwhm_px
    return touched


def add_aureoles(photons_e: Image, x: Array, y: Array, flux_e: Array) -> None:
    """Add the wide halos of bright stars: `AUREOLE_FRACTION` beyond their flux.

    Parameters
    ----------
    photons_e : (ny, nx), electrons
        Light before the flat field; changed in place.
    x, y : (n,), pixels
        Positions of the stars.
    flux_e : (n,), electrons
        Fluxes of the stars.
    """
    grid = np.arange(-AUREOLE_REACH_PX, AUREOLE_REACH_PX + 1)
    for at_x, at_y, flux in zip(x, y, flux_e, strict=True):
        column, row = round(at_x), round(at_y)
        dx, dy = grid - (at_x - column), grid - (at_y - row)
        r2 = dx[None, :] ** 2 + dy[:, None] ** 2
        # Surface brightness falls as r^-2.6 and reaches zero at the edge.
        halo = (1 + r2 / AUREOLE_CORE_PX**2) ** -1.3
        halo -= (1 + (AUREOLE_REACH_PX / AUREOLE_CORE_PX) ** 2) ** -1.3
        halo = np.maximum(halo, 0)
        stamp = (halo * (AUREOLE_FRACTION * flux / halo.sum())).astype(np.float32)
        add_stamp(photons_e, stamp, column, row)


def add_ghosts(
    plan: SimulationPlan,
    photons_e: Image,
    x: Array,
    y: Array,
    flux_e: Array,
    fwhm_px: float,
) -> list[tuple[float, float]]:
    """Add reflections of bright stars through the optical axis; return the sharp ones.

    Each makes a wide out-of-focus ring, a faint nearly focused spot and a comatic
    one. They move against the sky when the pointing does.

    Parameters
    ----------
    plan
        The survey: the shape of its frames.
    photons_e : (ny, nx), electrons
        Light before the flat field; changed in place.
    x, y : (n,), pixels
        Positions of the stars.
    flux_e : (n,), electrons
        Fluxes of the stars.
    fwhm_px : pixels
        FWHM of the frame's PSF.

    Returns
    -------
    spots
        x, y in pixels of each focused and each comatic spot; a star whose focused spot would
        lie outside the frame makes none.
    """
    ny, nx = plan.shape
    centre_x, centre_y = 0.51 * nx, 0.49 * ny
    spots: list[tuple[float, float]] = []
    for at_x, at_y, flux in zip(x, y, flux_e, strict=True):
        spot = centre_x - 0.93 * (at_x - centre_x), centre_y - 0.93 * (at_y - centre_y)
        if not (0 < spot[0] < nx - 1 and 0 < spot[1] < ny - 1):
            continue
        deposit(photons_e, *spot, FOCUSED_GHOST_FRACTION * flux, 0.55 * fwhm_px)
        spots.append(spot)
        comatic = centre_x - 0.6 * (at_x - centre_x), centre_y - 0.6 * (at_y - centre_y)
        away = np.array([at_x - centre_x, at_y - centre_y])
        away = away / max(float(np.hypot(*away)), 1.0)
        for k, share in enumerate((0.4, 0.3, 0.2, 0.1)):
            # A bright head and a tail that opens away from the axis.
            tail_x, tail_y = comatic + 1.2 * k * away
            width = (0.42 + 0.1 * k) * fwhm_px
            energy = 0.8 * share * FOCUSED_GHOST_FRACTION * flux
            deposit(photons_e, float(tail_x), float(tail_y), energy, width)
        spots.append(comatic)
        ring_x = centre_x + 0.62 * (at_x - centre_x)
        ring_y = centre_y + 0.62 * (at_y - centre_y)
        _add_ring(photons_e, ring_x, ring_y, PUPIL_GHOST_FRACTION * flux)
    return spots


def _add_ring(image: Image, x: float, y: float, electrons: float) -> None:
    outer, inner, soft = 34.0, 13.0, 1.5
    half = int(outer + 8)
    column, row = round(x), round(y)
    grid = np.arange(-half, half + 1)
    r = np.hypot((grid - (x - column))[None, :], (grid - (y - row))[:, None])
    ring = 1 / (1 + np.exp((r - outer) / soft)) - 1 / (1 + np.exp((r - inner) / soft))
    stamp = (ring * (electrons / ring.sum())).astype(np.float32)
    add_stamp(image, stamp, column, row)


def pickup_e(plan: SimulationPlan, rng: np.random.Generator) -> Image:
    """Return electromagnetic interference: a sine wave along the read-out.

    Parameters
    ----------
    plan
        The survey: its dark sky sets the amplitude.
    rng
        Draws period and phase.

    Returns
    -------
    wave : (ny, nx), electrons
        Amplitude `PICKUP_SIGMA` times the noise of the dark sky.
    """
    ny, nx = plan.shape
    v, u = np.ogrid[:ny, :nx]
    period, phase = rng.uniform(7, 12), rng.uniform(0, 7)
    wave = np.sin(2 * np.pi * (u / period + 0.137 * v) + phase)
    return (PICKUP_SIGMA * np.sqrt(plan.scene.sky_e) * wave).astype(np.float32)
