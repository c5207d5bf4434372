"""One exposure from sky to digits, together with its truth.

`expose` is the whole simulation of a light frame in the order in which nature does
it: sky, optics, artefacts of light, flat field, photon noise, charge, read-out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.simulation import artefacts, detector
from astrid_assets.science.simulation.catalogue import (
    PEAK,
    galaxy_catalogue,
    star_catalogue,
)
from astrid_assets.science.simulation.galaxies import paint_galaxies
from astrid_assets.science.simulation.optics import simulated_pixels, true_wcs
from astrid_assets.science.simulation.painting import paint_stars
from astrid_assets.science.simulation.scene import QUIET_NIGHTS
from astrid_assets.science.simulation.transients import changes
from astrid_assets.science.simulation.truth import (
    FrameTruth,
    sky_sigma_e,
    sources_on_frame,
    zero_point_mag,
)
from astrid_assets.science.simulation.weather import Conditions, conditions

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.simulation.point_spread import Array
    from astrid_assets.science.simulation.scene import SimulationPlan

SCINTILLATION = 0.002
"""Scatter of every star's flux from frame to frame: the atmosphere over 1 m."""

BRIGHTER_FATTER = 0.015
"""Relative growth of the FWHM of a star whose peak reaches the full well."""

PATH_POINTS = 5
"""A moving source is painted at so many points along its path."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """A raw light frame in ADU and everything that is known of it."""

    adu: NDArray[np.uint16]
    truth: FrameTruth


def expose(plan: SimulationPlan, night: int, index: int) -> Exposure:
    """Simulate one light frame.

    Parameters
    ----------
    plan
        The survey.
    night, index
        Night of the survey and frame of the night, both from 0.

    Returns
    -------
    exposure
        The raw frame in ADU with its truth; the same for the same arguments.
    """
    of_frame = conditions(plan, night, index)
    wcs = true_wcs(plan, of_frame.shift_px, of_frame.turn_deg)
    rng = plan.rng("exposure", night, index)

    x, y, flux = _stars(plan, of_frame, wcs, rng)
    clean = _sky_image(plan, of_frame, wcs, (x, y, flux), night, index)
    blur = _blur_kernel(of_frame)
    if blur is not None:
        clean = _convolve(clean, blur)

    background = _background(plan, of_frame)
    photons = clean + background
    glaring = flux * PEAK / of_frame.psf.fwhm_px**2 > plan.scene.full_well_e
    bright = x[glaring], y[glaring], flux[glaring]
    artefacts.add_aureoles(photons, *bright)
    ghosts = artefacts.add_ghosts(plan, photons, *bright, of_frame.psf.fwhm_px)
    is_trail = np.zeros(plan.shape, bool)
    if night >= QUIET_NIGHTS:
        is_trail = artefacts.add_satellites(plan, photons, of_frame.psf.fwhm_px, rng)

    flat = detector.flat_map(plan)
    expected = photons * flat
    expected += detector.dark_map(plan) * np.float32(plan.scene.exposure_s)
    unknown = detector.new_hot_pixels_e(plan, night)
    expected += unknown
    charge = detector.draw_electrons(expected, rng).astype(np.float32)
    is_hit = artefacts.add_cosmic_rays(plan, charge, rng)
    is_full = detector.bleed(charge, plan.scene.full_well_e)
    charge = detector.add_crosstalk(plan, charge, of_frame.sky_e)
    if of_frame.mishap == "pickup":
        charge += artefacts.pickup_e(plan, rng)
    is_bad = detector.dead_pixels(plan) | (unknown > sky_sigma_e(plan, of_frame))

    mask = np.zeros(plan.shape, np.uint16)
    for bit, pixels in (
        (MaskBit.BAD, is_bad),
        (MaskBit.SATURATED, is_full),
        (MaskBit.COSMIC_RAY, is_hit),
        (MaskBit.TRAIL, is_trail),
    ):
        mask[pixels] |= np.uint16(bit)
    ny, nx = plan.shape
    inside = (x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)
    truth = FrameTruth(
        conditions=of_frame,
        sources=tuple(sources_on_frame(plan, night, index)),
        wcs=wcs,
        psf=of_frame.psf,
        background_e=background,
        clean_e=clean,
        flat=flat,
        mask=mask,
        zero_point_mag=zero_point_mag(plan, of_frame.transparency),
        transparency=of_frame.transparency,
        sky_sigma_e=sky_sigma_e(plan, of_frame),
        stars_x=x[inside],
        stars_y=y[inside],
        stars_flux_e=flux[inside],
        ghosts=tuple(ghosts),
        blur=blur,
    )
    return Exposure(adu=detector.read_out(plan, charge, rng), truth=truth)


def _stars(
    plan: SimulationPlan, of_frame: Conditions, wcs: WCS, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Return where the catalogue's stars fall and what arrives of them."""
    stars = star_catalogue(plan)
    x, y = simulated_pixels(wcs, stars.ra_deg, stars.dec_deg)
    # Positions are those of the middle of the quiet nights.
    days = of_frame.mid_mjd - plan.first_mjd - QUIET_NIGHTS / 2
    x = x + of_frame.dcr_px[0] * stars.colour + stars.motion_px[:, 0] * days
    y = y + of_frame.dcr_px[1] * stars.colour + stars.motion_px[:, 1] * days
    twinkle = 1 + rng.normal(0, SCINTILLATION, x.size)
    return x, y, stars.flux_e * of_frame.transparency * twinkle


def _sky_image(
    plan: SimulationPlan,
    of_frame: Conditions,
    wcs: WCS,
    stars: tuple[Array, Array, Array],
    night: int,
    index: int,
) -> Image:
    """Return stars, galaxies and changes, without sky and noise."""
    image = np.zeros(plan.shape, np.float32)
    x, y, flux = stars
    psf, well = of_frame.psf, plan.scene.full_well_e
    peak = PEAK * flux / psf.fwhm_px**2
    widening = 1 + BRIGHTER_FATTER * np.minimum(peak / well, 1.0)
    paint_stars(image, x, y, flux, psf, widening=widening)
    galaxies = galaxy_catalogue(plan)
    gx, gy = simulated_pixels(wcs, galaxies.ra_deg, galaxies.dec_deg)
    paint_galaxies(image, gx, gy, galaxies, psf.model(), of_frame.transparency)

    changed = changes(plan, night, index)
    cx, cy = simulated_pixels(
        wcs,
        np.array([c.ra_deg for c in changed]),
        np.array([c.dec_deg for c in changed]),
    )
    colour = np.array([c.colour for c in changed])
    electrons = np.array([c.flux_e for c in changed]) * of_frame.transparency
    motion = np.array([c.motion_px for c in changed]).reshape(-1, 2)
    cx, cy = cx + of_frame.dcr_px[0] * colour, cy + of_frame.dcr_px[1] * colour
    for along in np.linspace(-0.5, 0.5, PATH_POINTS):
        paint_stars(
            image,
            cx + along * motion[:, 0],
            cy + along * motion[:, 1],
            electrons / PATH_POINTS,
            psf,
            whole=True,
        )
    return image


def _background(plan: SimulationPlan, of_frame: Conditions) -> Image:
    """Return the sky: a level, a slope and a faint bowl of scattered light."""
    ny, nx = plan.shape
    u = np.linspace(-1, 1, nx, dtype=np.float32)[None, :]
    v = np.linspace(-1, 1, ny, dtype=np.float32)[:, None]
    slope_x, slope_y = of_frame.sky_slope
    shape = 1 + slope_x * u + slope_y * v + 0.01 * (u * u + v * v)
    return (of_frame.sky_e * shape).astype(np.float32)


def _blur_kernel(of_frame: Conditions) -> Image | None:
    """Return the kernel of a mishap: a pupil's ring or a line, unit sum."""
    if not of_frame.blur_px:
        return None
    half = int(np.ceil(of_frame.blur_px / 2)) + 2
    grid = np.arange(-half, half + 1, dtype=np.float32)
    dx, dy = grid[None, :], grid[:, None]
    if of_frame.mishap == "defocused":
        r, outer = np.hypot(dx, dy), of_frame.blur_px / 2
        kernel = np.clip(outer - r + 0.5, 0, 1) - np.clip(0.4 * outer - r + 0.5, 0, 1)
    else:
        angle = np.deg2rad(of_frame.blur_angle_deg)
        across = dx * np.sin(angle) - dy * np.cos(angle)
        along = dx * np.cos(angle) + dy * np.sin(angle)
        inside = np.clip(of_frame.blur_px / 2 - np.abs(along) + 0.5, 0, 1)
        kernel = inside * np.clip(1 - np.abs(across), 0, 1)
    return (kernel / kernel.sum()).astype(np.float32)


def _convolve(image: Image, kernel: Image) -> Image:
    half = kernel.shape[0] // 2
    ny, nx = image.shape
    shape = [fft.next_fast_len(n + 2 * half, real=True) for n in image.shape]
    transform = np.asarray(fft.rfft2(image, shape))
    transform = transform * np.asarray(fft.rfft2(kernel, shape))
    blurred = np.asarray(fft.irfft2(transform, shape))
    return blurred[half : half + ny, half : half + nx].astype(np.float32)
