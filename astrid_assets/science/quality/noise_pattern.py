"""Patterns in the noise: failed amplifiers, banding, and electrical pickup.

The sky of a healthy frame is white: means over strips of pixels scatter inversely to the
square root of the number of pixels. Whatever the detector adds makes them scatter more;
the measure is the ratio of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from astrid_assets.science.arrays.threads import in_bands, threads
from astrid_assets.science.quality import noise_pattern_kernels as kernels
from astrid_assets.science.sky.background import robust_sigma

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

CLIP_SIGMA = 5.0
BRIGHT_SIGMA = 20.0  # brighter pixels widen the mask of a source no further
SOURCE_SIGMA = 1.0
"""Sky smoothed over `SMOOTHING_PX` above this many sigma of a pixel is a source."""

SMOOTHING_PX = 2.0
STRIP_PX = 16
LONGEST_WAVE_PX = 40.0
MIN_STRIP_SHARE = 0.5
MIN_STRIPS = 8
"""A scatter of fewer means is off by a quarter and more."""

MIN_SKY_SHARE = 0.4
"""With less blank sky than that, unresolved stars look like a ripple."""

SMALLEST = 1e-9
Bool = NDArray[np.bool_]
Strips = tuple[NDArray[np.float32], NDArray[np.int32]]
"""Sum and number of good pixels of each."""


@dataclass(frozen=True)
class NoisePattern:
    """How much more means scatter than white noise would; 1 is white.

    `columns` and `rows`: means of whole columns and rows; `ripple`: means of
    strips of 16 pixels along rows or columns, whichever is worse. `wave`: amplitude
    of the strongest single wave over the noise of a pixel.

    NaN where stars hide the sky: less than half of a column or row does not give its mean,
    and in a crowd a ripple cannot be distinguished from faint stars.
    """

    columns: float
    rows: float
    ripple: float
    wave: float

    def numbers(self) -> dict[str, float]:
        """Return the declared numbers of the noise by their names.

        Returns
        -------
        values
            NaN where stars hide one.
        """
        return {
            "line_noise": float(np.fmax(self.columns, self.rows)),
            "wave": self.wave,
            "ripple": self.ripple,
        }


def noise_pattern(residual: Image, rms: Image, bad: Bool) -> NoisePattern:
    """Measure the patterns of a sky-subtracted frame.

    Parameters
    ----------
    residual : (ny, nx), electrons
        The frame without its sky.
    rms : (ny, nx), electrons
        Noise of the sky.
    bad : (ny, nx)
        True where a pixel cannot be used.

    Returns
    -------
    pattern
        Scatters over that of white noise; NaN where sources hide the sky.
    """
    snr, sky = _blank_sky(residual, rms, bad)
    sums = np.empty((len(snr), 3))
    in_bands(lambda a, b: kernels.moments(snr, sky, sums, a, b), len(snr))
    n_sky, total, squares = sums.sum(axis=0)
    if not n_sky:
        return NoisePattern(*[float("nan")] * 4)
    own = max(float(np.sqrt(squares / n_sky - (total / n_sky) ** 2)), SMALLEST)
    flat, upright = _strips(snr, sky)
    ripple = float("nan")
    if n_sky > MIN_SKY_SHARE * snr.size:
        ripple = max(_scatter(*strips, STRIP_PX, own, robust=True) for strips in (flat, upright))
    ny, nx = snr.shape
    return NoisePattern(
        columns=_scatter(upright[0].sum(axis=0), upright[1].sum(axis=0), ny, own),
        rows=_scatter(flat[0].sum(axis=1), flat[1].sum(axis=1), nx, own),
        ripple=ripple,
        wave=_strongest_wave(snr) / own,
    )


def _blank_sky(residual: Image, rms: Image, bad: Bool) -> tuple[Image, Bool]:
    """Return the clipped S/N of the sky, 0 elsewhere; sources are found at half resolution."""
    residual, rms = np.ascontiguousarray(residual), np.ascontiguousarray(rms)
    small = np.empty([-(-side // 2) for side in residual.shape], dtype=np.float32)
    in_bands(
        lambda a, b: kernels.halve_snr(residual, rms, bad, -CLIP_SIGMA, BRIGHT_SIGMA, small, a, b),
        len(small),
    )
    smooth = np.empty_like(small)
    ndimage.gaussian_filter(small, SMOOTHING_PX / 2, truncate=3, output=smooth)
    snr = np.empty(residual.shape, dtype=np.float32)
    sky = np.empty(residual.shape, dtype=np.bool_)
    in_bands(
        lambda a, b: kernels.clip_blank_sky(
            residual, rms, bad, smooth, SOURCE_SIGMA, CLIP_SIGMA, snr, sky, a, b
        ),
        len(snr),
    )
    return snr, sky


def _strips(snr: Image, sky: Bool) -> tuple[Strips, Strips]:
    """Return sums and numbers of strips along rows and along columns."""
    ny, nx = snr.shape
    flat = ny, nx // STRIP_PX
    upright = ny // STRIP_PX, nx
    rows = np.empty(flat, np.float32), np.empty(flat, np.int32)
    columns = np.empty(upright, np.float32), np.empty(upright, np.int32)
    in_bands(lambda a, b: kernels.along_rows(snr, sky, *rows, STRIP_PX, a, b), ny)
    in_bands(
        lambda a, b: kernels.along_columns(snr, sky, *columns, STRIP_PX, a, b),
        upright[0],
    )
    return rows, columns


def _strongest_wave(snr: Image) -> float:
    """Return the amplitude of the strongest sine wave with a period below `LONGEST_WAVE_PX`.

    Sky gradients and halos are slow; rows and columns have measures of their own.
    """
    ny, nx = snr.shape
    spectrum = np.asarray(fft.rfft2(snr, workers=threads()))
    power = np.empty(ny)
    in_bands(
        lambda a, b: kernels.strongest(spectrum, ny, nx, LONGEST_WAVE_PX, power, a, b),
        ny,
    )
    return float(2 * np.sqrt(power.max()) / snr.size)


def _scatter(
    total: NDArray[np.floating],
    count: NDArray[np.integer],
    full: int,
    own: float,
    *,
    robust: bool = False,
) -> float:
    """Return the scatter of means over that of white noise; NaN where too few have sky."""
    enough = count > MIN_STRIP_SHARE * full
    if np.count_nonzero(enough) < MIN_STRIPS:
        return float("nan")
    scaled = total[enough] / np.sqrt(count[enough]) / own
    return robust_sigma(scaled) if robust else float(np.std(scaled))
