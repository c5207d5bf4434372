"""Gain and read noise from a pair of flats and a pair of biases (photon transfer).

::

    gain = (<F1 + F2> - <B1 + B2>) / (var(F1 - F2) - var(B1 - B2))      e-/ADU
    read noise = gain · sigma(B1 - B2) / sqrt(2)                          e-

The difference of two frames contains no fixed pattern, only noise. One flat may be
brighter than the other: it is scaled to the other's level first, and the effect of
that on its noise is accounted for.

References
----------
Janesick 2001, Scientific Charge-Coupled Devices, ch. 2; Howell 2006, ch. 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.calibration.masters import NoCalibrationFrames
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

TILE_PX = 64
"""The gain is the median over tiles of this side: the light varies over a flat."""

MIN_LEVEL_RATIO = 0.5
"""Flats whose levels differ more were not exposed to the same light."""

CLIPPED_VARIANCE = 0.99893
"""Variance of a unit normal truncated at four sigma."""

MEDIAN_ERROR = 1.2533
"""Standard error of a median of normal values, over that of their mean."""


@dataclass(frozen=True, kw_only=True)
class PhotonTransfer:
    """Gain in electrons per ADU, read noise in electrons, level of the first flat in ADU.

    Errors are standard errors; `n_pixels` have a value in all four frames and lie in a
    tile that shows a gain.
    """

    gain_e_per_adu: float
    gain_err_e_per_adu: float
    read_noise_e: float
    read_noise_err_e: float
    level_adu: float
    n_pixels: int


def photon_transfer(flats: tuple[Image, Image], biases: tuple[Image, Image]) -> PhotonTransfer:
    """Measure gain and read noise; good to a few percent on a flat of 10⁴ electrons.

    Parameters
    ----------
    flats, biases : two (ny, nx) each, ADU
        As read, of one filter and read-out mode.

    Returns
    -------
    measured
        Gain and read noise with their errors, level of the first flat, pixels used.

    Raises
    ------
    ShapeMismatch
        If shapes differ.
    NoCalibrationFrames
        If the flats contain no light, or their levels differ too much.

    References
    ----------
    Janesick 2001, Scientific Charge-Coupled Devices, ch. 2; Howell 2006, Handbook of
    CCD Astronomy, ch. 4.3.
    """
    for image in (*flats, *biases):
        if image.shape != flats[0].shape:
            raise ShapeMismatch(flats[0].shape, image.shape)
    pedestal = (biases[0].astype(np.float64) + biases[1]) / 2
    first, second = flats[0] - pedestal, flats[1] - pedestal
    bright, faint = float(np.nanmedian(first)), float(np.nanmedian(second))
    bias_variance = _variance(biases[0].astype(np.float64) - biases[1])
    if min(bright, faint) <= 10 * np.sqrt(bias_variance) or not (
        MIN_LEVEL_RATIO <= faint / bright <= 1 / MIN_LEVEL_RATIO
    ):
        raise NoCalibrationFrames(
            f"flats of {bright:.0f} and {faint:.0f} ADU show no gain",
            first_adu=bright,
            second_adu=faint,
        )
    ratio = bright / faint
    gains: list[float] = []
    n_pixels = 0
    ny, nx = first.shape
    for y in range(0, max(1, ny - TILE_PX + 1), TILE_PX):
        for x in range(0, max(1, nx - TILE_PX + 1), TILE_PX):
            part = (slice(y, y + TILE_PX), slice(x, x + TILE_PX))
            one, other = first[part], second[part] * ratio
            level = float(np.nanmedian(one))
            # var = n (1 + ratio) / gain for levels n of the first flat, in ADU; and
            # the noise of reading, and that of the common pedestal.
            read = bias_variance / 2
            pedestal_noise = (1 - ratio) ** 2 * read / 2
            noise = _variance(one - other) - read * (1 + ratio**2) - pedestal_noise
            if noise > 0:
                gains.append(level * (1 + ratio) / noise)
                n_pixels += int(np.isfinite(one - other).sum())
    if not gains:
        raise NoCalibrationFrames("the flats are no noisier than the biases: they show no gain")
    gain = float(np.median(gains))
    gain_err = _gain_error(np.array(gains), n_pixels)
    read_noise = gain * float(np.sqrt(bias_variance / 2))
    # A standard deviation of n values is known to 1 / sqrt(2 n).
    share = float(np.hypot(gain_err / gain, 1 / np.sqrt(2 * n_pixels)))
    return PhotonTransfer(
        gain_e_per_adu=gain,
        gain_err_e_per_adu=gain_err,
        read_noise_e=read_noise,
        read_noise_err_e=share * read_noise,
        level_adu=bright,
        n_pixels=n_pixels,
    )


def _gain_error(gains: np.ndarray[tuple[int, ...], np.dtype[np.float64]], n_pixels: int) -> float:
    """Return the standard error of the median gain.

    It is what the tiles scatter by, and at least what a variance of so many pixels
    is uncertain by: few tiles scatter by chance too little.
    """
    middle = float(np.median(gains))
    scatter = mad_sigma(gains, middle) / np.sqrt(len(gains))
    return MEDIAN_ERROR * max(float(scatter), middle * float(np.sqrt(2 / n_pixels)))


def _variance(image: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Return the variance without outliers, corrected for the clipping."""
    values = image[np.isfinite(image)]
    middle = np.median(values)
    sigma = mad_sigma(values, float(middle))
    kept = values[np.abs(values - middle) <= 4 * max(sigma, 1e-9)]
    return float(np.var(kept)) / CLIPPED_VARIANCE
