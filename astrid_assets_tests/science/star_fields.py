"""Small synthetic star fields: Moffat stars on a flat sky.

Independent of `science.simulation`, so that neither vouches for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from astrid_assets.science.frame import Frame

Array = NDArray[np.float64]
BETA = 3.0
OVERSAMPLING = 5


@dataclass(frozen=True)
class Field:
    """Image in electrons (sky included) and the stars painted on it."""

    image: NDArray[np.float32]
    x: Array
    y: Array
    flux: Array


def star(x: float, y: float, fwhm_px: float, *, radius: int = 30, elongation: float = 1.0) -> Array:
    """Return a unit-sum Moffat star at a subpixel place of a (2r+1, 2r+1) stamp.

    The stamp's middle pixel is the one nearest to (x, y); long axis along x.
    """
    core = fwhm_px / 2 / np.sqrt(2 ** (1 / BETA) - 1)
    sub = (np.arange(OVERSAMPLING) - (OVERSAMPLING - 1) / 2) / OVERSAMPLING
    span = np.arange(-radius, radius + 1)
    across = ((span - (x - np.rint(x)))[:, None] + sub).ravel() / np.sqrt(elongation)
    up = ((span - (y - np.rint(y)))[:, None] + sub).ravel() * np.sqrt(elongation)
    fine = (1 + (across[None, :] ** 2 + up[:, None] ** 2) / core**2) ** -BETA
    side = 2 * radius + 1
    stamp = fine.reshape(side, OVERSAMPLING, side, OVERSAMPLING).sum(axis=(1, 3))
    return stamp / stamp.sum()


def paint(
    shape: tuple[int, int],
    x: Array,
    y: Array,
    flux: Array,
    fwhm_px: float,
    *,
    elongation: float = 1.0,
) -> Array:
    """Paint stars on an empty image."""
    radius = 30
    image = np.zeros((shape[0] + 2 * radius, shape[1] + 2 * radius))
    for column, row, light in zip(x, y, flux, strict=True):
        i, j = int(np.rint(row)), int(np.rint(column))
        if 0 <= i < shape[0] and 0 <= j < shape[1]:
            stamp = star(column, row, fwhm_px, radius=radius, elongation=elongation)
            image[i : i + 2 * radius + 1, j : j + 2 * radius + 1] += light * stamp
    return image[radius:-radius, radius:-radius]


def crowd(
    rng: np.random.Generator,
    per_mpx: float,
    shape: tuple[int, int],
    *,
    faintest_e: float,
    fwhm_px: float = 3.0,
    brightest_e: float = 2e5,
) -> Array:
    """Return the light of very many stars, each in the middle of its pixel."""
    n = round(per_mpx * shape[0] * shape[1] / 1e6)
    flux = np.minimum(faintest_e * (1 + rng.pareto(0.9, n)), brightest_e)
    points = np.zeros(shape)
    np.add.at(points, tuple(rng.integers(0, side, n) for side in shape), flux)
    return np.maximum(fftconvolve(points, star(0, 0, fwhm_px), mode="same"), 0)


def star_field(
    rng: np.random.Generator,
    n: int = 80,
    shape: tuple[int, int] = (384, 384),
    *,
    fwhm_px: float = 3.0,
    sky_e: float = 300.0,
    read_noise_e: float = 5.0,
    faintest_e: float = 800.0,
    elongation: float = 1.0,
    brightest_e: float = 2e5,
) -> Field:
    """Scatter stars over a noisy sky; counts fall with brightness as on the sky."""
    x = rng.uniform(0, shape[1] - 1, n)
    y = rng.uniform(0, shape[0] - 1, n)
    flux = np.minimum(faintest_e * (1 + rng.pareto(0.8, n)), brightest_e)
    light = paint(shape, x, y, flux, fwhm_px, elongation=elongation)
    return Field(noisy(rng, light, sky_e, read_noise_e), x, y, flux)


def noisy(
    rng: np.random.Generator,
    light: Array,
    sky_e: float = 300.0,
    read_noise: float = 5.0,
) -> NDArray[np.float32]:
    """Add sky, photon noise and read noise."""
    counts = rng.poisson(np.maximum(light + sky_e, 0)).astype(float)
    return (counts + rng.normal(0, read_noise, light.shape)).astype(np.float32)


def raw_frame(image: NDArray[np.float32], wcs: WCS | None = None) -> Frame:
    """Wrap an image as a frame that still holds its sky."""
    return Frame(
        frame_id="synthetic",
        data=image,
        mask=np.zeros(image.shape, np.uint16),
        wcs=wcs,
        observed_mjd=60000.0,
        exposure_s=60.0,
        band="r",
    )


def flat_frame(image: NDArray[np.float32], sky_e: float, read_noise_e: float) -> Frame:
    """Wrap an image with its true sky taken off and its true variance."""
    data = image - np.float32(sky_e)
    variance = np.maximum(data, 0) + np.float32(sky_e + read_noise_e**2)
    frame = raw_frame(data)
    return Frame(**{**vars(frame), "variance": variance.astype(np.float32)})


def tangent_wcs(
    shape: tuple[int, int],
    *,
    scale_arcsec: float = 1.0,
    turn_deg: float = 0.0,
    ra_deg: float = 40.0,
    dec_deg: float = -20.0,
) -> WCS:
    """Make a plain TAN WCS."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra_deg, dec_deg]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    wcs.wcs.cd = scale_arcsec / 3600 * np.array([[-c, s], [s, c]])
    wcs.wcs.set()
    return wcs
