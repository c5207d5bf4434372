"""Shapes of stars: adaptive Gaussian moments.

The weight follows the star, so neighbours, galaxy light and sky noise far out
hardly count. Centroids are windowed ones (good to the photon limit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.stars.shape_kernels import adaptive_moments

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

FWHM_OVER_SIGMA = 2.354820045
ITERATIONS = 30
"""At most: noise and neighbours can keep the weight wandering."""

TOLERANCE_PX = 1e-3
MIN_SIGMA_PX = 0.45
"""A single bright pixel; keeps the weight from collapsing."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StarShapes:
    """Centroid and size per star, shape ``(n,)``; NaN where there is no light."""

    x: Array
    y: Array
    fwhm_px: Array
    elongation: Array
    angle_rad: Array


def cut_stamps(
    image: NDArray[np.generic], x: Array, y: Array, radius: int, fill: float = 0
) -> NDArray[np.generic]:
    """Cut stamps around the pixels nearest to given positions.

    Parameters
    ----------
    image : (ny, nx)
        Image of any data type.
    x, y : (n,), pixels
        Finite positions.
    radius : pixels
        Half side of a stamp, minus the middle pixel.
    fill
        Value outside the image.

    Returns
    -------
    stamps : (n, 2 radius + 1, 2 radius + 1)
        Copies, of the image's type.
    """
    ny, nx = image.shape
    span = np.arange(-radius, radius + 1)
    rows = (np.rint(y).astype(int)[:, None] + span)[:, :, None]
    columns = (np.rint(x).astype(int)[:, None] + span)[:, None, :]
    cut = image[np.clip(rows, 0, ny - 1), np.clip(columns, 0, nx - 1)]
    outside = (rows < 0) | (rows >= ny) | (columns < 0) | (columns >= nx)
    cut[outside] = fill
    return cut


def measure_star_shapes(
    data: Image,
    usable: NDArray[np.bool_],
    x: Array,
    y: Array,
    fwhm_px: float,
    *,
    iterations: int = ITERATIONS,
) -> StarShapes:
    """Measure centroid, FWHM and elongation of the stars near given positions.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky-subtracted.
    usable : (ny, nx)
        True on pixels that count.
    x, y : (n,), pixels
        Positions to start from.
    fwhm_px : pixels
        Starting size; the result does not depend on it where a star is alone.
    iterations
        At most so many; few keep the weight on a star that has neighbours.

    Returns
    -------
    shapes
        One per position; sizes are NaN where there is no light.

    References
    ----------
    Bernstein & Jarvis 2002, AJ 123, 583.
    """
    radius = int(np.clip(np.ceil(2.2 * fwhm_px), 5, 24))
    x = np.ascontiguousarray(x, dtype=np.float64)
    y = np.ascontiguousarray(y, dtype=np.float64)
    found = np.empty((len(x), 6))
    in_bands(
        lambda first, last: adaptive_moments(
            data,
            usable,
            x,
            y,
            (fwhm_px / FWHM_OVER_SIGMA) ** 2,
            radius,
            iterations,
            TOLERANCE_PX,
            MIN_SIGMA_PX**2,
            found,
            first,
            last,
        ),
        len(x),
    )
    x, y, xx, yy, xy, lit = found.T
    return _shapes(x, y, (xx, yy, xy), lit == 0)


def _shapes(
    x: Array, y: Array, moments: tuple[Array, Array, Array], dark: NDArray[np.bool_]
) -> StarShapes:
    """Turn second moments into FWHM, axis ratio and angle."""
    xx, yy, xy = moments
    half = np.hypot((xx - yy) / 2, xy)
    mean = (xx + yy) / 2
    major, minor = mean + half, np.maximum(mean - half, MIN_SIGMA_PX**2 / 4)
    nan = np.where(dark, np.nan, 1.0)
    return StarShapes(
        x=x,
        y=y,
        fwhm_px=FWHM_OVER_SIGMA * (major * minor) ** 0.25 * nan,
        elongation=np.sqrt(major / minor) * nan,
        angle_rad=0.5 * np.arctan2(2 * xy, xx - yy) * nan,
    )
