"""Positions of sources: peaks of the matched-filtered frame.

Local maxima separate stars of crowded fields that share one island of light, at the
cost of two short convolutions. They are measured in `measurement`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.sky.background import robust_sigma
from astrid_assets.science.stars.finding_kernels import (
    contrasts,
    convolve_columns,
    convolve_rows,
    local_maxima,
)
from astrid_assets.science.stars.shapes import FWHM_OVER_SIGMA, cut_stamps, measure_star_shapes

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

DETECTION_SIGMA = 4.0
"""Matched-filter S/N above the sky. Together with `MIN_AREA_PX` it leaves about
ten false stars per megapixel of pure noise."""

KERNEL_FWHM = 0.75
"""Width of the detection filter in FWHM: a full one merges stars two FWHM apart,
this one loses 4 % of the S/N."""

MIN_AREA_PX = 3
RING_FWHM = 1.6
"""Radius of the ring a peak must stand above: on the wing of a bright star the
ring's median is as bright as the noise bumps on it."""

MIN_CONTRAST = 0.25
"""Contrast with the ring as a share of the peak: bumps on a galaxy stay below it."""

FIRST_FWHM_PX = 3.0
SEARCHES = 3
"""Most searches: the second already has a good width unless the frame is out of
focus."""

GOOD_GUESS = 1.5
BRIGHT_FOR_FWHM = 60
TRUSTED_PEAK_SIGMA = 6.0
MOST_PEAKS = 400_000
"""Most peaks that are kept: a frame with more contains noise."""

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]


def detect_peaks(
    data: Image, sigma: Image, bad: Bool, fwhm_px: float
) -> tuple[Array, Array, Array]:
    """Find sources with a matched filter, brightest first.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky-subtracted.
    sigma : (ny, nx), electrons
        Noise of the blank sky; a peak must also stand out from the Poisson noise
        of the light around it.
    bad : (ny, nx)
        Pixels that count as empty sky.
    fwhm_px : pixels
        FWHM of the stars.

    Returns
    -------
    x, y : (n,), pixels
        Whole pixels of the peaks.
    snr : (n,)
        Signal-to-noise ratio of a star in the filter.
    """
    line = _taps(KERNEL_FWHM * fwhm_px)
    smooth = matched_filter(data, sigma, bad, line)
    noise = _noise_inflation(smooth, bad)
    found = np.empty((MOST_PEAKS, 2), dtype=np.int32)
    threshold = DETECTION_SIGMA * noise
    count = local_maxima(smooth, bad, threshold, MIN_AREA_PX, found, 0, data.shape[0])
    found = found[: min(count, MOST_PEAKS)].copy()
    rise = np.empty(len(found), dtype=np.float32)
    contrasts(smooth, found, max(RING_FWHM * fwhm_px, 2.0), rise)
    row, column = found[:, 0], found[:, 1]
    snr = smooth[row, column].astype(np.float64)
    sky = sigma[row, column].astype(np.float64)
    # Light of brightness D has a S/N of D sum(k) / sigma in the filter k, and adds
    # D to the variance sigma^2 of every pixel.
    poisson = np.sqrt(1 + np.maximum(snr, 0) / (sky * float(line.sum()) ** 2))
    keep = (rise > threshold * poisson) & (rise > MIN_CONTRAST * snr)
    row, column, snr = row[keep], column[keep], snr[keep] / noise
    order = np.lexsort((column, row, -snr))
    return (
        column[order].astype(np.float64),
        row[order].astype(np.float64),
        snr[order],
    )


def matched_filter(data: Image, sigma: Image, bad: Bool, line: Image) -> Image:
    """Return the S/N of a source at every pixel, with unit noise on white sky.

    Parameters
    ----------
    data, sigma : (ny, nx), electrons
        Sky-subtracted light, and the noise of the sky.
    bad : (ny, nx)
        Pixels that count as empty sky.
    line : (m,)
        The filter along one axis, of unit sum of squares.

    Returns
    -------
    snr : (ny, nx)
        Signal-to-noise ratio of a source of the filter's shape.
    """
    rows, out = np.empty_like(data), np.empty_like(data)
    in_bands(lambda a, b: convolve_rows(data, sigma, bad, line, rows, a, b), len(data))
    in_bands(lambda a, b: convolve_columns(rows, line, out, a, b), len(data))
    return out


def typical_fwhm(data: Image, sigma: Image, bad: Bool) -> float | None:
    """Estimate the FWHM of the stars from the brightest peaks.

    Parameters
    ----------
    data, sigma : (ny, nx), electrons
        Sky-subtracted light, and the noise of the sky.
    bad : (ny, nx)
        Pixels that count as empty sky.

    Returns
    -------
    fwhm_px : pixels
        None when no peak is found.
    """
    width = FIRST_FWHM_PX
    found = False
    for _ in range(SEARCHES):
        x, y, snr = detect_peaks(data, sigma, bad, width)
        if not len(x):
            break
        found = True
        before, width = width, _fwhm_of_peaks(data, ~bad, x, y, snr, width)
        if 1 / GOOD_GUESS < width / before < GOOD_GUESS:
            break
    return width if found else None


def half_sample_mode(values: Array) -> float:
    """Return the densest value: halve the sample to its narrowest half, repeatedly.

    Parameters
    ----------
    values : (n,)
        In any unit; those that are not finite are left out.

    Returns
    -------
    mode
        In the unit of the values; NaN without any.

    References
    ----------
    Bickel & Frühwirth 2006, Comp. Stat. & Data Analysis 50, 3500.
    """
    values = np.sort(values[np.isfinite(values)])
    while len(values) > 3:
        half = (len(values) + 1) // 2
        widths = values[half - 1 :] - values[: len(values) - half + 1]
        best = int(np.argmin(widths))
        values = values[best : best + half]
    return float(np.median(values)) if len(values) else float("nan")


def bright_count(n: int) -> int:
    """Return how many of the brightest stars represent all.

    Parameters
    ----------
    n
        Number of stars.

    Returns
    -------
    count
        Half of them, within 8 to 60; may exceed `n` below 8.
    """
    return max(8, min(n, BRIGHT_FOR_FWHM, n // 2 + 1))


def _fwhm_of_peaks(
    data: Image, usable: Bool, x: Array, y: Array, snr: Array, guess: float
) -> float:
    """Measure the brightest peaks and take the densest width."""
    bright = slice(max(BRIGHT_FOR_FWHM, min(len(x) // 4, 5 * BRIGHT_FOR_FWHM)))
    x, y, snr = x[bright], y[bright], snr[bright]
    shapes = measure_star_shapes(data, usable, x, y, 2 * guess)
    faint = snr < min(TRUSTED_PEAK_SIGMA, float(snr.max()))
    lost = faint | ~_core_is_usable(usable, x, y)
    fwhm = shapes.fwhm_px[~lost]
    fwhm = fwhm[: bright_count(len(fwhm))] if len(fwhm) else shapes.fwhm_px
    mode = half_sample_mode(fwhm)
    return float(np.clip(mode, 1.2, 20)) if np.isfinite(mode) else FIRST_FWHM_PX


def _core_is_usable(usable: Bool, x: Array, y: Array) -> Bool:
    """Return whether the 3 x 3 pixels of each core are all usable."""
    cores = cut_stamps(usable, x, y, 1).astype(bool)
    return np.logical_and.reduce(cores.reshape(len(x), 9), axis=1)


def _noise_inflation(smooth: Image, bad: Bool) -> float:
    """Return the noise of the filtered sky over that of white noise, at least 1.

    Pickup and bias patterns are correlated: without this, a filter as wide as
    the pattern finds stars in it.
    """
    step = max(1, int(np.sqrt(smooth.size / 250_000)))
    part, lost = smooth[::step, ::step], bad[::step, ::step]
    return max(1.0, robust_sigma(part[~lost]))


def _taps(fwhm_px: float) -> Image:
    """Return the detection filter along one axis: a Gaussian, unit sum of squares."""
    radius = int(np.clip(np.ceil(1.3 * fwhm_px), 2, 15))
    span = np.arange(-radius, radius + 1)
    line = np.exp(-0.5 * (span * FWHM_OVER_SIGMA / fwhm_px) ** 2)
    return (line / np.sqrt((line**2).sum())).astype(np.float32)
