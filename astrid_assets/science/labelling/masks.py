"""Training masks: where in a cutout the source is that a label describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.types import CUTOUT_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOOTPRINT_LEVEL = 0.1
"""The footprint of a point source ends where its PSF falls below this share of the
peak; for a Gaussian that is 0.91 FWHM from the centre."""

MIN_RADIUS_PX = 1.5
"""An undersampled PSF still covers the pixels around its peak."""


def training_mask(
    label: str,
    fwhm_px: float,
    size: int = CUTOUT_SIZE,
    *,
    offset_px: tuple[float, float] = (0.0, 0.0),
    drawn: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Return 1 inside the PSF's footprint for ``real``, nowhere for ``bogus``.

    Parameters
    ----------
    label
        ``real`` or ``bogus``.
    fwhm_px : pixels
        FWHM of the PSF in the cutout.
    size : pixels
        Side of the cutout; its centre is pixel ``[size // 2, size // 2]``.
    offset_px : (x, y), pixels
        Centroid relative to the centre pixel.
    drawn : (size, size)
        What a reviewer drew; counts in place of the footprint.

    Returns
    -------
    mask : (size, size)
        0 or 1.

    Raises
    ------
    ValueError
        If the label is another, the FWHM not above 0, or `drawn` of another shape.
    """
    if label not in {"real", "bogus"}:
        raise ValueError(f"only real and bogus have a training mask, not {label!r}")
    if not (np.isfinite(fwhm_px) and fwhm_px > 0):
        raise ValueError(f"a footprint needs a FWHM above 0 px, got {fwhm_px}")
    mask = np.zeros((size, size), dtype=np.uint8)
    if label == "bogus":
        return mask
    if drawn is not None:
        if drawn.shape != mask.shape:
            raise ValueError(f"a mask of {drawn.shape} for a cutout of {mask.shape}")
        return (drawn != 0).astype(np.uint8)
    radius = fwhm_px * np.sqrt(np.log(1 / FOOTPRINT_LEVEL) / (4 * np.log(2)))
    y, x = np.mgrid[:size, :size] - size // 2
    x0, y0 = offset_px
    mask[np.hypot(x - x0, y - y0) <= max(radius, MIN_RADIUS_PX)] = 1
    return mask
