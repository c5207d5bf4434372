"""Shapes of stars: adaptive Gaussian moments on stamps, all stars at once.

The weight follows the star, so neighbours, galaxy light and sky noise far out
hardly count. Centroids are windowed ones (good to the photon limit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astrid_assets.science.frame import Image

FWHM_OVER_SIGMA = 2.354820045
ITERATIONS = 14
MIN_SIGMA_PX = 0.45
"""A single bright pixel; keeps the weight from collapsing."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shapes:
    """Centroid and size per star, shape ``(n,)``; NaN where there is no light."""

    x: Array
    y: Array
    fwhm_px: Array
    elongation: Array
    angle_rad: Array


def stamps(
    image: NDArray[np.generic], x: Array, y: Array, radius: int, fill: float = 0
) -> NDArray[np.generic]:
    """Cut (n, 2r+1, 2r+1) stamps around the nearest pixels; `fill` outside."""
    padded = np.pad(image, radius, constant_values=fill)
    span = np.arange(2 * radius + 1)
    rows = np.rint(y).astype(int)[:, None, None] + span[None, :, None]
    columns = np.rint(x).astype(int)[:, None, None] + span[None, None, :]
    return padded[rows, columns]


def measure_shapes(
    data: Image, usable: NDArray[np.bool_], x: Array, y: Array, fwhm_px: float
) -> Shapes:
    """Measure centroid, FWHM and elongation of the stars near given positions.

    Parameters
    ----------
    data : (ny, nx), sky-subtracted
    usable : (ny, nx)
        False pixels do not count.
    x, y : (n,), pixels
        Starting positions, good to a pixel or two.
    fwhm_px : pixels
        Starting size; the result does not depend on it where a star is alone.

    References
    ----------
    Bernstein & Jarvis 2002, AJ 123, 583, section 3.
    """
    radius = int(np.clip(np.ceil(2.2 * fwhm_px), 5, 24))
    light = stamps(np.where(usable, data, 0).astype(np.float32), x, y, radius)
    span = np.arange(-radius, radius + 1, dtype=np.float32)
    across, up = span[None, None, :], span[None, :, None]
    dx = (x - np.rint(x)).astype(np.float32)
    dy = (y - np.rint(y)).astype(np.float32)
    start = (fwhm_px / FWHM_OVER_SIGMA) ** 2
    xx = np.full(len(x), start, dtype=np.float32)
    yy = xx.copy()
    xy = np.zeros_like(xx)
    largest = (radius / 1.5) ** 2
    dark = np.zeros(len(x), dtype=bool)
    for _ in range(ITERATIONS):
        u = across - dx[:, None, None]
        v = up - dy[:, None, None]
        det = xx * yy - xy * xy
        a, b, c = (q[:, None, None] for q in (yy / det, -xy / det, xx / det))
        weighted = light * np.exp(-0.5 * (a * u * u + 2 * b * u * v + c * v * v))
        total = weighted.sum(axis=(1, 2))
        dark |= total <= 0
        total = np.where(total > 0, total, 1)
        wu, wv = weighted * u, weighted * v
        mx = np.clip(wu.sum(axis=(1, 2)) / total, -1, 1)
        my = np.clip(wv.sum(axis=(1, 2)) / total, -1, 1)
        # The second moment under an equal Gaussian weight is half the true one.
        new_xx = 2 * (wu * u).sum(axis=(1, 2)) / total
        new_yy = 2 * (wv * v).sum(axis=(1, 2)) / total
        new_xy = 2 * (wu * v).sum(axis=(1, 2)) / total
        xx, yy, xy = _bounded(new_xx, new_yy, new_xy, largest)
        dx = np.clip(dx + 2 * mx, -radius / 2, radius / 2)
        dy = np.clip(dy + 2 * my, -radius / 2, radius / 2)
    column = np.rint(x) + dx.astype(np.float64)
    row = np.rint(y) + dy.astype(np.float64)
    return _shapes(column, row, (xx, yy, xy), dark)


def _bounded(
    xx: Image, yy: Image, xy: Image, largest: float
) -> tuple[Image, Image, Image]:
    """Keep the weight positive definite, no sharper than a pixel, inside the stamp."""
    smallest = MIN_SIGMA_PX**2
    xx = np.clip(np.nan_to_num(xx, nan=smallest), smallest, largest)
    yy = np.clip(np.nan_to_num(yy, nan=smallest), smallest, largest)
    limit = 0.95 * np.sqrt(xx * yy)
    return xx, yy, np.clip(np.nan_to_num(xy), -limit, limit)


def _shapes(
    x: Array, y: Array, moments: tuple[Image, Image, Image], dark: NDArray[np.bool_]
) -> Shapes:
    """Turn second moments into FWHM, axis ratio and angle."""
    xx, yy, xy = (np.asarray(m, dtype=np.float64) for m in moments)
    half = np.hypot((xx - yy) / 2, xy)
    mean = (xx + yy) / 2
    major, minor = mean + half, np.maximum(mean - half, MIN_SIGMA_PX**2 / 4)
    nan = np.where(dark, np.nan, 1.0)
    return Shapes(
        x=x,
        y=y,
        fwhm_px=FWHM_OVER_SIGMA * (major * minor) ** 0.25 * nan,
        elongation=np.sqrt(major / minor) * nan,
        angle_rad=0.5 * np.arctan2(2 * xy, xx - yy) * nan,
    )
