"""Halos and diffraction spikes of saturated stars, and the border of the frame.

Their extent is measured on the light itself. Both are flags, not holes: their pixels
carry flux, but subtraction leaves residuals there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.components import patches
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.masking import defects_kernels as kernels

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask

HALO_FWHM = 3.0
"""Radius beyond the saturated pixels, where the wings are brighter than faint stars."""

LEAST_HALO_FWHM = 2.0
HALO_SIGMA = 1.0
"""Median light per pixel of a ring, in sigma of the sky, where a halo ends."""

FALLING = 0.97
"""Ratio to the light two rings further in above which the halo has ended."""

EDGE_FWHM = 1.5
MAX_HALO_PX = 60
"""Largest radius of halos that were not measured."""

MAX_REACH_PX = 250
MIN_HALO_AREA_PX = 2
MAX_STARS = 200
"""The largest ones are measured; a frame with more is full of halos."""

SPIKE_STARS = 25
"""The spikes' angles, the same for all stars, are measured on the largest ones."""

ANGLES = 90
SPIKE_FROM_FWHM, SPIKE_TO_FWHM = 1.5, 10.0
"""Distance beyond the saturated pixels at which spikes are searched for."""

SPIKE_SIGMA = 8.0
"""Significance of a direction's light above that of the directions beside it."""

SPIKE_LIGHT_SIGMA = 0.5
"""Mean light per pixel, in sigma of the sky, where a spike ends."""

ASIDE = 11
"""Angles to either side, 22 degrees, where a spike's light is compared."""

MAX_SPIKES = 4
SPIKE_APART_DEG = 20.0
BLOCK_PX = 8

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class _Star:
    """A saturated star: its position, and the radius of its saturated pixels."""

    y: float
    x: float
    radius: float


def halos_and_edges(
    mask: Mask, fwhm_px: float, data: Image | None = None, rms_e: float | None = None
) -> Mask:
    """Mark HALO and SPIKE around saturated stars and EDGE along the border.

    Parameters
    ----------
    mask : (ny, nx)
        Mask with SATURATED, and BLEEDING where charge ran.
    fwhm_px : pixels
        FWHM of the frame's stars.
    data, rms_e : (ny, nx), electrons; electrons per pixel
        Sky-subtracted light and the noise of the sky. Without them halos reach a
        fixed number of FWHM and spikes are not searched for.

    Returns
    -------
    marked : (ny, nx)
        A copy of the mask with these bits added.
    """
    marked = mask.copy()
    edge = int(np.ceil(EDGE_FWHM * fwhm_px))
    for border in (np.s_[:edge], np.s_[-edge:], np.s_[:, :edge], np.s_[:, -edge:]):
        marked[border] |= np.uint16(MaskBit.EDGE)
    stars = _saturated_stars(mask)
    if not stars:
        return marked
    if data is None or rms_e is None:
        for star in stars:
            radius = min(HALO_FWHM * fwhm_px + star.radius, MAX_HALO_PX)
            kernels.paint_disc(marked, star.y, star.x, radius, int(MaskBit.HALO))
        return marked
    skip = kernels.has_bits(mask, UNUSABLE)
    light = np.ascontiguousarray(data, dtype=np.float32)
    for number, star in enumerate(stars):
        radius = star.radius + LEAST_HALO_FWHM * fwhm_px
        if number < MAX_STARS:
            radius = max(radius, _halo_radius(light, skip, star, fwhm_px, rms_e))
        kernels.paint_disc(marked, star.y, star.x, radius, int(MaskBit.HALO))
    _mark_spikes(marked, (light, skip), stars[:MAX_STARS], fwhm_px, rms_e)
    return marked


def _saturated_stars(mask: Mask) -> list[_Star]:
    """Return the saturated stars, the largest first; bleeding does not count."""
    full = kernels.has_bits(mask, int(MaskBit.SATURATED))
    full &= ~kernels.has_bits(mask, int(MaskBit.BLEEDING))
    found = patches(full)
    rows, columns, number = found.pixels()
    area = np.bincount(number, minlength=found.count)
    y = np.bincount(number, rows, found.count) / area
    x = np.bincount(number, columns, found.count) / area
    order = np.argsort(-area, kind="stable")
    return [
        _Star(float(y[k]), float(x[k]), float(np.sqrt(area[k] / np.pi)))
        for k in order
        if area[k] >= MIN_HALO_AREA_PX
    ]


def _reach(star: _Star, fwhm_px: float) -> float:
    """Return how far from a star's centre its light is examined, pixels."""
    return min(12 * star.radius + 10 * fwhm_px, MAX_REACH_PX)


def _halo_radius(light: Image, skip: Bool, star: _Star, fwhm_px: float, rms_e: float) -> float:
    """Return the radius at which a star's wings end: faint, or no longer falling."""
    width = max(2.0, fwhm_px / 2)
    number = int((_reach(star, fwhm_px) - star.radius) / width) + 1
    centre = star.y, star.x
    rings = kernels.ring_medians(light, skip, centre, star.radius, width, number)
    usable = np.isfinite(rings)
    last = star.radius
    for index in np.flatnonzero(usable):
        is_flat = index >= 2 and rings[index] > FALLING * rings[index - 2]
        if rings[index] < HALO_SIGMA * rms_e or is_flat:
            break
        last = star.radius + width * float(index + 1)
    return last


def _mark_spikes(
    marked: Mask, images: tuple[Image, Bool], stars: list[_Star], fwhm_px: float, rms_e: float
) -> None:
    """Find the frame's spike directions and mark every star's own length of them."""
    half = max(1, round(fwhm_px / 2))
    angles = _spike_angles(images, stars[:SPIKE_STARS], fwhm_px, rms_e, half)
    for star in stars if len(angles) else ():
        radii = np.arange(star.radius + fwhm_px, _reach(star, fwhm_px) + 1, dtype=np.float32)
        if len(radii) < 2 * BLOCK_PX:
            continue
        around = _around(images, star, radii)
        for angle in np.r_[angles, angles + np.pi]:
            light = kernels.ray(*images, star.y, star.x, angle, radii, half) - around
            length = _lit_length(light, rms_e, half)
            if length:
                kernels.paint_ray(
                    marked,
                    star.y,
                    star.x,
                    float(angle),
                    float(radii[0] + length),
                    half + 1.0,
                    int(MaskBit.SPIKE),
                )


def _spike_angles(
    images: tuple[Image, Bool], stars: list[_Star], fwhm_px: float, rms_e: float, half: int
) -> Array:
    """Return the directions, 0 to pi, in which both arms of bright stars shine."""
    angles = (np.arange(ANGLES) * np.pi / ANGLES).astype(np.float32)
    total, squares = np.zeros(ANGLES), np.zeros(ANGLES)
    for star in stars:
        radii = np.arange(
            star.radius + SPIKE_FROM_FWHM * fwhm_px,
            star.radius + SPIKE_TO_FWHM * fwhm_px,
            dtype=np.float32,
        )
        around = _around(images, star, radii)
        arms = kernels.weaker_arms(*images, star.y, star.x, angles, radii, around, half)
        noise = 1.25 * rms_e / np.sqrt(len(radii) * (2 * half + 1))
        usable = np.isfinite(arms)
        # One very bright star must not decide for all.
        total[usable] += np.clip(arms[usable] / noise, -20, 20)
        squares[usable] += 1
    contrast = total / np.sqrt(np.maximum(squares, 1))
    contrast = sum(np.roll(contrast, k) for k in (-2, -1, 0, 1, 2)) / 5
    contrast -= np.median(contrast)
    # A spike is narrow; the wings of an elongated star are not.
    aside = np.maximum(np.roll(contrast, ASIDE), np.roll(contrast, -ASIDE))
    is_spike = contrast - aside > np.maximum(SPIKE_SIGMA, 0.5 * contrast)
    found: list[float] = []
    for k in np.argsort(-contrast, kind="stable"):
        apart = [abs((k * 180 / ANGLES - a + 90) % 180 - 90) for a in found]
        if is_spike[k] and all(a > SPIKE_APART_DEG for a in apart):
            found.append(k * 180 / ANGLES)
    found = found[:MAX_SPIKES]
    return np.radians(found)


def _around(images: tuple[Image, Bool], star: _Star, radii: Image) -> Image:
    """Return the typical light of a star at some radii: medians of rings."""
    width = 3.0
    inner, number = float(radii[0]) - width / 2, int(len(radii) / width) + 1
    rings = kernels.ring_medians(*images, (star.y, star.x), inner, width, number)
    usable = np.isfinite(rings)
    if not usable.any():
        return np.zeros(len(radii), np.float32)
    middles = (inner + width * (np.arange(number) + 0.5))[usable]
    return np.interp(radii, middles, rings[usable]).astype(np.float32)


def _lit_length(light: Image, rms_e: float, half: int) -> int:
    """Return how far a ray shines without a break, pixels."""
    blocks = light[: len(light) // BLOCK_PX * BLOCK_PX].reshape(-1, BLOCK_PX)
    noise = rms_e / np.sqrt(BLOCK_PX * (2 * half + 1))
    limit = max(SPIKE_LIGHT_SIGMA * rms_e, 3 * noise)
    length = 0
    for number, block in enumerate(blocks, start=1):
        seen = block[np.isfinite(block)]
        # What is hidden by bleeding neither ends a spike nor makes one.
        if len(seen) >= BLOCK_PX / 2:
            if np.median(seen) <= limit:
                break
            length = number
    return BLOCK_PX * length
