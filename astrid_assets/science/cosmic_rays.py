"""Cosmic rays: charge too sharp to have come through the telescope.

L.A.Cosmic, evaluated only where its Laplacian already stands out: its medians are
the whole cost, and a frame has some thousand such pixels among a million. What it
marks in the cores of real stars is given back.

References
----------
van Dokkum 2001, PASP 113, 1420.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from astrid_assets.science.components import grow, label
from astrid_assets.science.shapes import measure_shapes

if TYPE_CHECKING:
    from astrid_assets.science.frame import Image

Bool = NDArray[np.bool_]
Index = NDArray[np.intp]
SIGCLIP = 5.0
"""Laplacian S/N of a cosmic ray; its author's advice is 4.5 to 5."""

NEIGHBOUR_SIGMA = 1.5
"""Laplacian S/N from which a neighbour of a cosmic ray belongs to it."""

OBJLIM = 2.0
"""Contrast against the fine structure; low, because stars are spared afterwards."""

MIN_FINE_STRUCTURE = 0.01
ROUNDS = 3
CHUNK = 20_000
STAR_FWHM_RATIO = 0.75
"""A marked place at least this wide, in FWHM of the stars, is a star's core."""

STAR_ELONGATION = 1.6


def find_cosmic_rays(data: Image, variance: Image, bad: Bool) -> Bool:
    """Mark cosmic-ray pixels of a sky-subtracted frame.

    Parameters
    ----------
    data, variance : (ny, nx), electrons, electrons squared
    bad : (ny, nx)
        Pixels to leave alone (saturated, missing).
    """
    # The rim of a hole must not stand out: it is filled with its brightest rim.
    clean = np.where(bad, 0, data).astype(np.float32)
    if bad.any():
        clean = np.where(bad, ndimage.maximum_filter(clean, size=5), clean)
    sky = np.maximum(variance - np.maximum(data, 0), 0.04 * variance)
    found = np.zeros(data.shape, dtype=bool)
    for _ in range(ROUNDS):
        new = _one_round(clean, sky, bad | found)
        if not new.any():
            break
        found |= new
        clean = _filled(clean, found | bad, new)
    return found


def _one_round(data: Image, sky: Image, bad: Bool) -> Bool:
    """Run the criterion of the paper once."""
    laplacian = _laplacian(data)
    # The local median stands in for the pixel's own light, which is in doubt.
    loudest = laplacian / (2 * np.sqrt(sky))
    rows, columns = np.nonzero((loudest > SIGCLIP) & ~bad)
    significance, contrast = _tested(data, sky, laplacian, rows, columns)
    core = (significance > SIGCLIP) & (contrast > OBJLIM)
    found = np.zeros(data.shape, dtype=bool)
    found[rows[core], columns[core]] = True
    for limit in (SIGCLIP, NEIGHBOUR_SIGMA):
        ring = grow(found) & ~found & ~bad
        rows, columns = np.nonzero(ring)
        significance, _ = _tested(data, sky, laplacian, rows, columns)
        join = significance > limit
        found[rows[join], columns[join]] = True
    return found


def _laplacian(data: Image) -> Image:
    """Return the positive Laplacian of the frame subsampled twofold, rebinned.

    A subpixel has two neighbours in its own pixel and two outside, which leaves
    ``2 f - a - b``; negative ones are cut before the four are averaged.
    """
    padded = np.pad(data, 1, mode="edge")
    up, down = padded[:-2, 1:-1], padded[2:, 1:-1]
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    twice = 2 * data
    total = np.zeros_like(data)
    for vertical in (up, down):
        for horizontal in (left, right):
            total += np.maximum(twice - vertical - horizontal, 0)
    return (total / 4).astype(np.float32)


def _tested(
    data: Image, sky: Image, laplacian: Image, rows: Index, columns: Index
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return significance and contrast against fine structure of some pixels."""
    significance = np.zeros(len(rows), dtype=np.float32)
    contrast = np.zeros(len(rows), dtype=np.float32)
    light, edges = np.pad(data, 4, mode="edge"), np.pad(laplacian, 2, mode="edge")
    for first in range(0, len(rows), CHUNK):
        part = slice(first, first + CHUNK)
        y, x = rows[part], columns[part]
        around = _windows(light, y, x, 9)
        noise = np.sqrt(sky[y, x] + np.maximum(_median(around[:, 2:7, 2:7]), 0))
        own = laplacian[y, x] / (2 * noise)
        usual = _median(_windows(edges, y, x, 5)) / (2 * noise)
        threes = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
        smooth = np.median(threes, axis=(-2, -1))
        fine = (smooth[:, 3, 3] - _median(smooth)) / noise
        significance[part] = own - usual
        contrast[part] = significance[part] / np.maximum(fine, MIN_FINE_STRUCTURE)
    return significance, contrast


def _windows(padded: Image, y: Index, x: Index, side: int) -> Image:
    """Cut (n, side, side) windows out of an image padded by half a side."""
    span = np.arange(side)
    return padded[y[:, None, None] + span[:, None], x[:, None, None] + span]


def _median(windows: Image) -> Image:
    """Median of each window."""
    return np.median(windows, axis=(1, 2))


def _filled(data: Image, unusable: Bool, new: Bool) -> Image:
    """Fill newly found pixels with the median of their good neighbours."""
    rows, columns = np.nonzero(new)
    span = np.arange(5)
    y, x = rows[:, None, None] + span[:, None], columns[:, None, None] + span
    light = np.pad(data, 2, mode="edge")[y, x]
    good = ~np.pad(unusable, 2, constant_values=True)[y, x]
    count = good.sum(axis=(1, 2))
    ranked = np.sort(np.where(good, light, np.inf).reshape(len(rows), 25), axis=1)
    middle = ranked[np.arange(len(rows)), np.maximum(count - 1, 0) // 2]
    out = data.copy()
    out[rows, columns] = np.where(count > 0, middle, 0)
    return out


def spare_stars(found: Bool, data: Image, bad: Bool, fwhm_px: float) -> Bool:
    """Give back what was marked in the cores of stars.

    Parameters
    ----------
    found : (ny, nx)
        Pixels marked as cosmic rays.
    data : (ny, nx), sky-subtracted electrons
    bad : (ny, nx)
        Unusable for other reasons.
    fwhm_px : pixels
        Of the frame's stars.
    """
    labels, n = label(found)
    if not n:
        return found
    peaks = np.array(
        ndimage.maximum_position(data, labels, np.arange(1, n + 1)), dtype=float
    ).reshape(n, 2)
    shapes = measure_shapes(data, ~bad, peaks[:, 1], peaks[:, 0], fwhm_px)
    near = np.hypot(shapes.x - peaks[:, 1], shapes.y - peaks[:, 0]) < 0.5 * fwhm_px
    star = near & (shapes.fwhm_px > STAR_FWHM_RATIO * fwhm_px)
    star &= (shapes.fwhm_px < 1.5 * fwhm_px) & (shapes.elongation < STAR_ELONGATION)
    return found & ~np.r_[False, star][labels]
