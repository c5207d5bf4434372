"""Patterns in the noise: failed amplifiers, banding, and electrical pickup.

The sky of a healthy frame is white: means over strips of pixels scatter as the
square root of their number says. Everything the detector adds makes them scatter
more, and by how much is the measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from astrid_assets.science.background import robust_sigma

if TYPE_CHECKING:
    from astrid_assets.science.frame import Image

CLIP_SIGMA = 5.0
SOURCE_SIGMA = 1.0
"""Sky smoothed over `SMOOTHING_PX` above this many sigma of a pixel is a source."""

SMOOTHING_PX = 2.0
STRIP_PX = 16
LONGEST_WAVE_PX = 40.0
MIN_STRIP_SHARE = 0.5
MIN_SKY_SHARE = 0.4
"""With less blank sky than that, unresolved stars look like a ripple."""

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class NoisePattern:
    """How much more means scatter than white noise would; 1 is white.

    `columns` and `rows`: means of whole columns and rows; `ripple`: means of
    strips of 16 pixels along rows or columns, whichever is worse (NaN in crowded
    fields, where it cannot be told from faint stars). `wave`: amplitude of the
    strongest single wave over the noise of a pixel.
    """

    columns: float
    rows: float
    ripple: float
    wave: float


def noise_pattern(residual: Image, rms: Image, bad: Bool) -> NoisePattern:
    """Measure the patterns of a sky-subtracted frame."""
    snr = np.where(bad, 0, residual / rms)
    smooth = ndimage.gaussian_filter(np.clip(snr, -CLIP_SIGMA, 20), SMOOTHING_PX)
    sky = ~bad & (smooth < SOURCE_SIGMA)
    if not sky.any():
        return NoisePattern(float("inf"), float("inf"), float("nan"), float("nan"))
    snr = np.where(sky, np.clip(snr, -CLIP_SIGMA, CLIP_SIGMA), 0).astype(np.float64)
    own = float(np.std(snr[sky]))
    ripple = float("nan")
    if np.mean(sky) > MIN_SKY_SHARE:
        ripple = max(
            _excess(snr, sky, (1, STRIP_PX), own, robust=True),
            _excess(snr, sky, (STRIP_PX, 1), own, robust=True),
        )
    return NoisePattern(
        columns=_excess(snr, sky, (len(snr), 1), own, robust=False),
        rows=_excess(snr, sky, (1, snr.shape[1]), own, robust=False),
        ripple=ripple,
        wave=_strongest_wave(snr) / max(own, 1e-9),
    )


def _strongest_wave(snr: NDArray[np.float64]) -> float:
    """Amplitude of the strongest sine wave with a period below `LONGEST_WAVE_PX`."""
    ny, nx = snr.shape
    power = np.abs(np.asarray(fft.rfft2(snr.astype(np.float32))))
    v, u = np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None, :]
    # Sky gradients and halos are slow; rows and columns have measures of their own.
    slow = np.hypot(u, v) < 1 / LONGEST_WAVE_PX
    axes = (np.abs(u) < 1.5 / nx) | (np.abs(v) < 1.5 / ny)
    power[slow | axes] = 0
    return float(2 * power.max() / snr.size)


def _excess(
    snr: NDArray[np.float64], sky: Bool, block: tuple[int, int], own: float,
    *, robust: bool,
) -> float:  # fmt: skip
    """Scatter of block means over what white noise gives."""
    high, wide = block
    ny, nx = (side // step * step for side, step in zip(snr.shape, block, strict=True))
    parts = (ny // high, high, nx // wide, wide)
    total = snr[:ny, :nx].reshape(parts).sum(axis=(1, 3))
    count = sky[:ny, :nx].reshape(parts).sum(axis=(1, 3))
    enough = count > MIN_STRIP_SHARE * high * wide
    if np.count_nonzero(enough) < 2:
        return 1.0
    scaled = total[enough] / np.sqrt(count[enough]) / max(own, 1e-9)
    return robust_sigma(scaled) if robust else float(np.std(scaled))
