"""Peaks of the score: where they are, to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.detection import peaks_kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.science.arrays.types import Image

Values = NDArray[np.float64]

MAX_SUMMIT_PX = 1.0  # from a pixel to the vertex of the parabola through it
PLATEAU = 0.7  # share of its peak that the score must keep where the flux peaks
CLIMB_PX = 2  # steps from the peak of the score to that of the flux: they differ where noise grows

Number = TypeVar("Number", np.float32, np.uint16)


@dataclass(frozen=True)
class Peaks:
    """Peaks, highest |score| first; arrays of shape (n,).

    `column`, `row` is the pixel where the score peaks and `score` its height there;
    `x`, `y` the sub-pixel position where the flux does, `flux` and `flux_err` in
    electrons; `sign` +1 or -1. `is_summit` is False where the flux has no maximum
    nearby: the peak lies on the slope of a brighter source.
    """

    column: NDArray[np.intp]
    row: NDArray[np.intp]
    x: Values
    y: Values
    flux: Values
    flux_err: Values
    score: Values
    is_summit: NDArray[np.bool_]

    @property
    def sign(self) -> Values:
        """1 or -1."""
        return np.sign(self.flux)

    def __len__(self) -> int:
        """Count the peaks."""
        return len(self.x)

    def chosen(self, which: NDArray[np.intp]) -> Peaks:
        """Return some of the peaks.

        Parameters
        ----------
        which : (k,)
            Their indices.

        Returns
        -------
        peaks : (k,)
            In that order.
        """
        return Peaks(**{name: values[which] for name, values in vars(self).items()})


def find_peaks(
    score: Image, flux: Image, flux_err: Image, threshold: float, radius_px: int
) -> Peaks:
    """Find the local maxima of |score|, and refine their positions.

    A parabola through three pixels per axis gives position and height.

    Parameters
    ----------
    score : (ny, nx), sigma
        S_corr.
    flux, flux_err : (ny, nx), electrons
        PSF flux of a change and its error.
    threshold : sigma
        A peak is listed when its height is at or above it.
    radius_px : pixels
        Radius within which no pixel of the same sign is higher.

    Returns
    -------
    peaks : (n,)
        Highest first.
    """
    # The pixel of a peak may be lower than the peak itself.
    rows, columns = _highest(score, disc(radius_px), 0.9 * threshold)
    _, _, height, _ = _refine(flux, rows, columns)
    height = height / flux_err[rows, columns]
    listed = np.flatnonzero(np.abs(height) >= threshold)
    order = np.lexsort((columns[listed], rows[listed], -np.abs(height[listed])))
    kept = listed[order]
    rows, columns = rows[kept], columns[kept]
    top_rows, top_columns = _climbed(flux, rows, columns)
    # On the slope of a constant source the score falls towards the top, which two steps
    # do not reach.
    falls = np.abs(score[top_rows, top_columns]) < PLATEAU * np.abs(score[rows, columns])
    falls &= ~_is_top(flux, top_rows, top_columns)
    top_rows, top_columns = (
        np.where(falls, rows, top_rows),
        np.where(falls, columns, top_columns),
    )
    x, y, peak, summit = _refine(flux, top_rows, top_columns)
    error = flux_err[top_rows, top_columns].astype(np.float64)
    return Peaks(columns, rows, x, y, peak, error, height[kept], summit)


def _climbed(
    flux: Image, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Go from pixel to higher neighbour, at most `CLIMB_PX` steps."""
    ny, nx = flux.shape
    sign = np.sign(flux[rows, columns])
    for _ in range(CLIMB_PX):
        near = window(flux, rows, columns, 1) * sign[:, None, None]
        highest = near.reshape(len(rows), 9).argmax(axis=1)
        rows = np.clip(rows + highest // 3 - 1, 0, ny - 1)
        columns = np.clip(columns + highest % 3 - 1, 0, nx - 1)
    return rows, columns


def _is_top(flux: Image, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether no neighbour is higher."""
    near = np.abs(window(flux, rows, columns, 1))
    return np.asarray(near.max(axis=(1, 2)) <= near[:, 1, 1])


def window(
    image: NDArray[Number],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    radius: int,
    fill: float = 0,
) -> NDArray[Number]:
    """Cut squares around pixels.

    Parameters
    ----------
    image : (ny, nx)
        What is cut.
    rows, columns : (n,)
        The middle pixels.
    radius : pixels
        Half side of the squares.
    fill
        Value outside the image.

    Returns
    -------
    squares : (n, 2 r + 1, 2 r + 1)
        Copies.
    """
    offsets = np.arange(-radius, radius + 1)
    ny, nx = image.shape
    y = rows[:, None, None] + offsets[:, None]
    x = columns[:, None, None] + offsets
    cut = image[np.clip(y, 0, ny - 1), np.clip(x, 0, nx - 1)]
    outside = (y < 0) | (y >= ny) | (x < 0) | (x >= nx)
    if outside.any():
        cut[outside] = fill
    return cut


def disc(radius_px: float) -> NDArray[np.bool_]:
    """Return the pixels of a square within a radius of its middle.

    Parameters
    ----------
    radius_px : pixels
        The radius.

    Returns
    -------
    inside : (2 r + 1, 2 r + 1)
        True within it.
    """
    r = int(np.ceil(radius_px))
    dy, dx = np.mgrid[-r : r + 1, -r : r + 1]
    return np.hypot(dx, dy) <= radius_px


def _highest(
    score: Image, around: NDArray[np.bool_], lowest: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find pixels that are higher than their surroundings, in bands of rows."""
    found: dict[int, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}

    def search(first: int, last: int) -> None:
        found[first] = peaks_kernels.highest_pixels(score, around, lowest, first, last)

    in_bands(search, len(score))
    parts = [found[first] for first in sorted(found)]
    return (
        np.concatenate([rows for rows, _ in parts]),
        np.concatenate([columns for _, columns in parts]),
    )


def _refine(
    flux: Image, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> tuple[Values, Values, Values, NDArray[np.bool_]]:
    stamp = window(flux, rows, columns, 1).astype(np.float64)
    centre = stamp[:, 1, 1]
    dx, gain_x = _parabola(stamp[:, 1, 0], centre, stamp[:, 1, 2])
    dy, gain_y = _parabola(stamp[:, 0, 1], centre, stamp[:, 2, 1])
    near = np.maximum(np.abs(dx), np.abs(dy)) <= MAX_SUMMIT_PX
    cx, cy = np.clip(dx, -0.5, 0.5), np.clip(dy, -0.5, 0.5)
    peak = centre + gain_x(cx) + gain_y(cy)
    return columns + cx, rows + cy, peak, near


def _parabola(
    left: Values, centre: Values, right: Values
) -> tuple[Values, Callable[[Values], Values]]:
    """Return the offset of the vertex (infinite for a line), and height as a function of it."""
    slope, bend = (right - left) / 2, right - 2 * centre + left
    # At a maximum the curvature is opposite to the sign; elsewhere there is no vertex.
    curved = bend * np.sign(centre) < 0
    toward = np.where(slope * np.sign(centre) >= 0, np.inf, -np.inf)
    offset = np.where(curved, -slope / np.where(curved, bend, 1), toward)
    return offset, lambda at: slope * at + bend * at**2 / 2
