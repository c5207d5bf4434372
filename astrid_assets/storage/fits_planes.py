"""Images as compressed FITS extensions: how much precision each kind keeps.

Noise needs no precision beyond a fraction of itself, which is what makes images
small: they are rounded to a step below the noise (with a fixed dither, so that the
same image gives the same bytes and its mean is kept) and RICE-compressed (`rice`).
Exact zeros stay exact zeros. Any FITS reader opens these files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from astrid_assets.storage.fits_cards import data_of, header_of
from astrid_assets.storage.rice import (
    DITHER_SEED,
    TILE_ROWS,
    decompressed,
    rounded_plane,
    whole_plane,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.frame import Image, Mask

Plane = fits.BinTableHDU | fits.CompImageHDU | fits.ImageHDU

STEPS_PER_SIGMA = 16  # rounding adds 0.02 % to the variance of the noise
RELATIVE_STEP = 0.0018  # of planes kept as logarithms: at most 0.09 % off
DITHERED_KEEPING_ZEROS = 2  # SUBTRACTIVE_DITHER_2 of the FITS standard
MAX_LEVELS = 2**31 - 2**20  # what a rounded pixel may count to


def noisy_plane(name: str, image: Image, sigma: float | None) -> Plane:
    """Return an image rounded to a sixteenth of its noise.

    Parameters
    ----------
    name
        Of the extension.
    image : (ny, nx)
    sigma
        Noise per pixel; None: the noise of each tile.
    """
    if sigma is None or not np.isfinite(sigma) or sigma <= 0:
        return _rounded_by_astropy(name, image, float(STEPS_PER_SIGMA))
    return stepped_plane(name, image, sigma / STEPS_PER_SIGMA)


def stepped_plane(name: str, image: Image, step: float) -> Plane:
    """Return an image rounded to a step in its own unit."""
    low, high = float(np.min(image)), float(np.max(image))
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = image[np.isfinite(image)]
        if finite.size and float(np.ptp(finite)) / step > MAX_LEVELS:
            return lossless_plane(name, image)
        return _rounded_by_astropy(name, image, -step)
    if (high - low) / step > MAX_LEVELS:
        return lossless_plane(name, image)
    return rounded_plane(name, image, step)


def positive_plane(name: str, image: Image) -> Plane:
    """Return a positive image kept to 0.1 % of each pixel, as its logarithm."""
    if not (float(np.min(image)) > 0 and np.isfinite(np.max(image))):
        return lossless_plane(name, image)
    plane = rounded_plane(name, np.log(image, dtype=np.float32), RELATIVE_STEP)
    plane.header["LNSCALE"] = (True, "natural logarithm of the image")
    return plane


def mask_plane(name: str, mask: Mask) -> fits.BinTableHDU:
    """Return a mask, bit for bit."""
    return whole_plane(name, mask)


def lossless_plane(name: str, image: Image) -> fits.ImageHDU:
    """Return an image, bit for bit and uncompressed.

    GZIP, the only lossless compression of floats in FITS, writes the time into each
    tile: the same image would not give the same bytes.
    """
    return fits.ImageHDU(np.ascontiguousarray(image), name=name)


def image_from(hdus: fits.HDUList, name: str) -> Image:
    """Return an image as float32, whichever way it was kept."""
    image = np.array(_pixels(hdus, name), dtype=np.float32, copy=None)
    return np.exp(image, out=image) if header_of(hdus, name).get("LNSCALE") else image


def mask_from(hdus: fits.HDUList, name: str) -> Mask:
    """Return a mask as it was kept."""
    return np.array(_pixels(hdus, name), dtype=np.uint16, copy=None)


def _pixels(hdus: fits.HDUList, name: str) -> NDArray[np.generic]:
    """Return the pixels of an extension, in memory of their own."""
    hdu = hdus[name]
    image = decompressed(hdu) if isinstance(hdu, fits.CompImageHDU) else None
    return np.array(data_of(hdus, name)) if image is None else image


def _rounded_by_astropy(
    name: str, image: Image, quantize_level: float
) -> fits.CompImageHDU:
    ny, nx = image.shape
    return fits.CompImageHDU(
        np.ascontiguousarray(image, dtype=np.float32),
        name=name,
        compression_type="RICE_1",
        quantize_level=quantize_level,
        quantize_method=DITHERED_KEEPING_ZEROS,
        dither_seed=DITHER_SEED,
        tile_shape=(min(TILE_ROWS, ny), nx),
    )
