"""Injection of artificial transients, which measure completeness.

Artificial transients of known significance are added to a science frame before it is
subtracted; what became of them is in `recovery`. They never mix with real detections: the
injected frame and its difference are not kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.stars.point_sources import shifted_psfs

if TYPE_CHECKING:
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.frame import Frame, PsfModel
    from astrid_assets.science.settings import InjectionSettings
    from astrid_assets.science.stars.star_list import Stars

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]

SEPARATION_FWHM = 6.0
"""Least distance between injections, and from what the real difference shows: closer ones
would change each other's noise and be confused."""

OCCUPIED_SIGMA = 4.0
TRIES = 40
GALAXY_FWHM_RATIO = 1.35  # wider than the stars by this much: resolved
SNR_EDGES = (3.0, 5.0, 7.0, 10.0, 20.0, float("inf"))


@dataclass(frozen=True)
class Injections:
    """Artificial transients; every array has shape (n,).

    `x`, `y` in pixels; `snr` the predicted significance, with the source's own photon
    noise, negative where light was removed; `flux_e` in electrons, with that sign;
    `on_galaxy` where it was put on an extended source.
    """

    x: Array
    y: Array
    snr: Array
    flux_e: Array
    on_galaxy: Bool

    def __len__(self) -> int:
        """Count the injections."""
        return len(self.x)


def extended_sources(stars: Stars, fwhm_px: float) -> Array:
    """Return the positions of sources clearly wider than the stars.

    Parameters
    ----------
    stars : (n,)
        Sources of the science frame.
    fwhm_px : pixels
        FWHM of its PSF.

    Returns
    -------
    positions : (m, 2), pixels
        x and y.
    """
    wide = stars.fwhm_px > GALAXY_FWHM_RATIO * fwhm_px
    return np.column_stack([stars.x[wide], stars.y[wide]])


def plan_injections(
    rng: np.random.Generator,
    science: Frame,
    difference: Difference,
    galaxies: Array,
    settings: InjectionSettings,
) -> Injections:
    """Choose where artificial transients go, and how bright they are.

    S/N is uniform in its logarithm between the settings' limits. Positions are usable
    pixels away from the border, from one another and from what the real difference shows,
    so that each is affected by its own position only.

    Parameters
    ----------
    rng
        Draws positions, S/N and signs.
    science : (ny, nx), electrons
        The frame, with its PSF.
    difference : (ny, nx), electrons
        The real difference of this frame; its error image converts S/N to flux.
    galaxies : (m, 2), pixels
        Extended sources, on which a share of the injections is put.
    settings
        How many, how bright, and which share on galaxies.

    Returns
    -------
    injections : (n,)
        Those for which there was room.

    Raises
    ------
    FrameRejected
        ``unprocessed`` when the frame has no PSF.
    """
    psf = _psf(science)
    free = _free_pixels(difference, psf.fwhm_px)
    x, y, on_galaxy = _positions(rng, free, galaxies, psf.fwhm_px, settings)
    low, high = np.log(settings.min_snr), np.log(settings.max_snr)
    snr = np.exp(rng.uniform(low, high, len(x)))
    sign = np.where(rng.random(len(x)) < settings.negative_share, -1.0, 1.0)
    rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
    error = difference.flux_err[rows, columns].astype(np.float64)
    own = _own_noise(shifted_psfs(psf, x, y))
    flux = flux_of_snr(snr, error, np.where(sign > 0, own, 0.0))
    return Injections(x, y, sign * snr, sign * flux, on_galaxy)


def flux_of_snr(snr: Array, error_e: Array, own_noise: Array) -> Array:
    """Return the flux whose significance is `snr`, its own photon noise included.

    Solves ``f = snr sqrt(error² + k f)``.

    Parameters
    ----------
    snr : (n,)
        Significance wanted, above 0.
    error_e : (n,), electrons
        Error of a PSF flux there without the source.
    own_noise : (n,)
        k, the share of its own photon noise that a PSF fit sees: sum P³ / (sum P²)².

    Returns
    -------
    flux : (n,), electrons
        The root above 0, in closed form.
    """
    half = 0.5 * snr**2 * own_noise
    return half + np.sqrt(half**2 + (snr * error_e) ** 2)


def inject(rng: np.random.Generator, science: Frame, injections: Injections) -> Frame:
    """Return the frame with the transients added, with their photon noise and variance.

    Parameters
    ----------
    rng
        Draws the photon noise.
    science : (ny, nx), electrons
        The frame, with PSF and variance; it is not changed.
    injections : (n,)
        Positions in pixels, S/N and electrons.

    Returns
    -------
    frame : (ny, nx), electrons
        Unusable pixels stay as they were.

    Raises
    ------
    FrameRejected
        ``unprocessed`` when the frame has no PSF or no variance.
    """
    psf = _psf(science)
    if science.variance is None:
        raise FrameRejected(ReasonCode.UNPROCESSED, f"{science.frame_id} has no variance")
    data, variance = science.data.copy(), science.variance.copy()
    columns, rows = np.rint(injections.x).astype(int), np.rint(injections.y).astype(int)
    models = shifted_psfs(psf, injections.x, injections.y)
    for x, y, flux, model in zip(columns, rows, injections.flux_e, models, strict=True):
        here, there = _overlap(model.shape, x, y, data)
        light = np.float32(flux) * model[there]
        photons = np.maximum(light, 0)
        noise = rng.normal(size=light.shape).astype(np.float32) * np.sqrt(photons)
        data[here] += light + noise
        variance[here] += photons
    empty = (science.mask & UNUSABLE) != 0
    data[empty] = science.data[empty]
    return replace(science, data=data, variance=variance)


def _psf(science: Frame) -> PsfModel:
    if science.psf is None:
        raise FrameRejected(ReasonCode.UNPROCESSED, f"{science.frame_id} has no PSF")
    return science.psf


def _free_pixels(difference: Difference, fwhm_px: float) -> Bool:
    """Return the pixels without a mask or a significant signal within the separation."""
    radius = max(2, round(fwhm_px))
    taken = np.abs(difference.score) > OCCUPIED_SIGMA
    span = np.arange(-3 * radius, 3 * radius + 1)
    disk = np.hypot(span[:, None], span[None, :]) <= 3 * radius
    bad = (difference.mask & UNUSABLE) != 0
    square = np.ones((2 * radius + 1, 2 * radius + 1), dtype=bool)
    near_taken = np.asarray(binary_dilation(taken, disk), dtype=bool)
    near_bad = np.asarray(binary_dilation(bad, square), dtype=bool)
    free = ~(near_taken | near_bad)
    border = 3 * radius
    free[:border] = free[-border:] = False
    free[:, :border] = free[:, -border:] = False
    return free


def _positions(
    rng: np.random.Generator,
    free: Bool,
    galaxies: Array,
    fwhm_px: float,
    settings: InjectionSettings,
) -> tuple[Array, Array, Bool]:
    """Draw positions; those that find no room are left out."""
    ny, nx = free.shape
    chosen: list[tuple[float, float, bool]] = []
    nearest = SEPARATION_FWHM * fwhm_px
    for _ in range(settings.per_frame):
        wants_galaxy = len(galaxies) > 0 and rng.random() < settings.galaxy_share
        for _ in range(TRIES):
            if wants_galaxy:
                x, y = galaxies[rng.integers(len(galaxies))] + rng.normal(0, 0.5 * fwhm_px, 2)
            else:
                x, y = rng.uniform(0, nx - 1), rng.uniform(0, ny - 1)
            i, j = round(float(y)), round(float(x))
            if not (0 <= i < ny and 0 <= j < nx and free[i, j]):
                continue
            if all(np.hypot(x - a, y - b) > nearest for a, b, _ in chosen):
                chosen.append((float(x), float(y), wants_galaxy))
                break
    columns = np.array(chosen, dtype=np.float64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2].astype(bool)


def _own_noise(models: NDArray[np.float32]) -> Array:
    """Return the share of a source's photon noise that a PSF fit sees, for (n, size, size)."""
    stamps = models.astype(np.float64)
    return (stamps**3).sum(axis=(1, 2)) / (stamps**2).sum(axis=(1, 2)) ** 2


def _overlap(
    stamp_shape: tuple[int, ...], x: int, y: int, image: NDArray[np.float32]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a stamp centred on a pixel lies in the image, and which part of it."""
    here, there = [], []
    for middle, side, size in zip((y, x), image.shape, stamp_shape, strict=True):
        first = middle - size // 2
        low, high = max(first, 0), min(first + size, side)
        here.append(slice(low, high))
        there.append(slice(low - first, high - first))
    return (here[0], here[1]), (there[0], there[1])
