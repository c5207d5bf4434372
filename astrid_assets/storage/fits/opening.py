"""Opening stored FITS files, also from several threads at a time.

astropy's C code fills its table of dithers when the first image needs it, and a thread
that comes meanwhile reads it half filled: wrong pixels in one process of forty. So
importing this module has it filled, before anything can be read beside anything.
"""

from __future__ import annotations

import io

import numpy as np
from astropy.io import fits

DITHERED_KEEPING_ZEROS = 2  # SUBTRACTIVE_DITHER_2 of the FITS standard


def opened(content: bytes) -> fits.HDUList:
    """Open a FITS file from its bytes; each thread must open its own, which it seeks in."""
    return fits.open(io.BytesIO(content))


fits.HDUList(
    [
        fits.PrimaryHDU(),
        fits.CompImageHDU(
            np.eye(8, dtype=np.float32),
            compression_type="RICE_1",
            quantize_level=-0.1,
            quantize_method=DITHERED_KEEPING_ZEROS,
        ),
    ]
).writeto(io.BytesIO())
