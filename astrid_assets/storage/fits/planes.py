"""Images as compressed FITS extensions: how much precision each kind keeps.

Noise needs no precision beyond a fraction of itself, which is what makes images
small: they are rounded to a step below the noise (with a fixed dither, so that the
same image gives the same bytes and its mean is kept) and RICE-compressed. Exact
zeros stay exact zeros. Any FITS reader opens these files.

Extensions are compressed and read side by side, in as many threads as allowed: they
are what a night's steps spend most of their time with outside the transforms.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from astropy.io import fits

from astrid_assets.science.arrays.threads import side_by_side
from astrid_assets.storage.fits.cards import header_of
from astrid_assets.storage.fits.opening import DITHERED_KEEPING_ZEROS, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask

Plane: TypeAlias = fits.CompImageHDU | fits.ImageHDU
Extension: TypeAlias = Plane | fits.BinTableHDU

STEPS_PER_SIGMA = 16  # rounding adds 0.02 % to the variance of the noise
RELATIVE_STEP = 0.0018  # of planes kept as logarithms: at most 0.09 % off
DITHER_SEED = 1
TILE_ROWS = 64
FITS_BLOCK = 2880  # bytes; an empty primary HDU is one
MAX_LEVELS = 2**31 - 2**20  # what a rounded pixel may count to


def noisy_plane(name: str, image: Image, sigma: float | None) -> Plane:
    """Return an image rounded to a sixteenth of its noise.

    Parameters
    ----------
    name
        Name of the extension.
    image : (ny, nx)
    sigma
        Noise per pixel; None: the noise of each tile.
    """
    if sigma is None or not np.isfinite(sigma) or sigma <= 0:
        return _rounded(name, image, float(STEPS_PER_SIGMA))
    return stepped_plane(name, image, sigma / STEPS_PER_SIGMA)


def stepped_plane(name: str, image: Image, step: float) -> Plane:
    """Return an image rounded to a step in its own unit."""
    lowest, highest = float(image.min()), float(image.max())
    if not np.isfinite(highest - lowest):
        finite = image[np.isfinite(image)]
        lowest, highest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if (highest - lowest) / step > MAX_LEVELS:
        return lossless_plane(name, image)
    return _rounded(name, image, -step)


def positive_plane(name: str, image: Image) -> Plane:
    """Return a positive image kept to 0.1 % of each pixel, as its logarithm."""
    if not (np.isfinite(image).all() and (image > 0).all()):
        return lossless_plane(name, image)
    plane = _rounded(name, np.log(image).astype(np.float32), -RELATIVE_STEP)
    plane.header["LNSCALE"] = (True, "natural logarithm of the image")
    return plane


def mask_plane(name: str, mask: Mask) -> fits.CompImageHDU:
    """Return a mask, bit for bit."""
    return fits.CompImageHDU(
        np.ascontiguousarray(mask),
        name=name,
        compression_type="RICE_1",
        tile_shape=_tile(mask),
    )


def lossless_plane(name: str, image: Image) -> fits.ImageHDU:
    """Return an image, bit for bit and uncompressed.

    GZIP, the only lossless compression of floats in FITS, writes the time into each
    tile: the same image would not give the same bytes.
    """
    return fits.ImageHDU(np.ascontiguousarray(image), name=name)


def file_of(header: fits.Header | None, extensions: Iterable[Callable[[], Extension]]) -> bytes:
    """Return the bytes of a FITS file, its extensions made and compressed in threads.

    Parameters
    ----------
    header
        Header of the primary HDU; it has no data.
    extensions
        What makes each, in their order; at least one.
    """
    first, *others = extensions

    def part(make: Callable[[], Extension]) -> bytes:
        if make is first:
            return _file([fits.PrimaryHDU(header=header), make()])
        return _file([fits.PrimaryHDU(), make()])[FITS_BLOCK:]

    return b"".join(side_by_side(part, [first, *others]))


def planes_from(content: bytes, *names: str) -> list[NDArray[Any]]:
    """Return planes of a file, read side by side.

    Images come as float32, whichever way they were kept, masks as uint16.
    """
    return side_by_side(lambda name: _plane(content, name), names)


def _plane(content: bytes, name: str) -> NDArray[Any]:
    # A section: while `data` is read, astropy lets no other thread read any.
    with opened(content) as hdus:
        data = hdus[name].section[...]  # type: ignore[union-attr]  # astropy's list is untyped
        if data.dtype.kind == "u":
            return np.array(data, dtype=np.uint16)
        image = np.array(data, dtype=np.float32)
        return np.exp(image) if header_of(hdus, name).get("LNSCALE") else image


def _file(hdus: Sequence[fits.PrimaryHDU | Extension]) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer, output_verify="exception")
    return buffer.getvalue()


def _rounded(name: str, image: Image, quantize_level: float) -> fits.CompImageHDU:
    return fits.CompImageHDU(
        np.ascontiguousarray(image, dtype=np.float32),
        name=name,
        compression_type="RICE_1",
        quantize_level=quantize_level,
        quantize_method=DITHERED_KEEPING_ZEROS,
        dither_seed=DITHER_SEED,
        tile_shape=_tile(image),
    )


def _tile(image: NDArray[np.generic]) -> tuple[int, int]:
    ny, nx = image.shape
    return min(TILE_ROWS, ny), nx
