"""Images of real FITS files, read without the package's own readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

IMAGES = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)


def first_image(path: Path) -> tuple[NDArray, fits.Header]:
    """Return the pixels (ny, nx) and the header of a file's first image."""
    with fits.open(path) as hdus:
        for hdu in hdus:
            if isinstance(hdu, IMAGES) and hdu.data is not None and hdu.data.ndim == 2:
                return np.array(hdu.data), hdu.header
    raise AssertionError(f"{path} has no image of two axes: choose another file")
