"""Zero points: how much of the anchor's light a frame caught.

The magnitude of one electron of the whole exposure. The scale is that of the
field's anchor: its own zero point is `ANCHOR_ZERO_POINT_MAG` unless its survey
gives one, so magnitudes are instrumental ("in the anchor's system") until a
catalogue ties the anchor to the sky.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.stars import StarFlag

if TYPE_CHECKING:
    from astrid_assets.science.frame import Stars
    from astrid_assets.science.psf import PsfModel

ANCHOR_ZERO_POINT_MAG = 25.0
"""Of one electron in the anchor frame; a convention, not a measurement."""

MIN_STARS = 2
ENOUGH_STARS = 5
MIN_SNR = 8.0
FLOOR = 0.03
"""Relative error below which more photons do not make a star more trustworthy."""

LIMIT_SIGMA = 5.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ZeroPoint:
    """Magnitude of one electron; `scatter_mag` is the robust scatter per star."""

    mag: float
    scatter_mag: float
    n_stars: int
    flux_ratio: float


def zero_point(stars: Stars, anchor: Stars, anchor_zero_point_mag: float) -> ZeroPoint:
    """Compare matched stars (same length, same order) with the anchor's.

    The weighted median of the flux ratios: variables and galaxies do not move it.

    Raises
    ------
    TooFewStars
        If fewer than `MIN_STARS` have a usable flux in both frames.
    """
    flag = stars.flag | anchor.flag
    lost = (flag & (StarFlag.SATURATED | StarFlag.MASKED)) != 0
    snr = stars.flux / np.maximum(stars.flux_err, 1e-9)
    anchor_snr = anchor.flux / np.maximum(anchor.flux_err, 1e-9)
    usable = ~lost & (snr > 3) & (anchor_snr > MIN_SNR)
    clean = usable & (flag == 0) & (snr > MIN_SNR)
    chosen = clean if clean.sum() >= ENOUGH_STARS else usable
    if chosen.sum() < MIN_STARS:
        raise TooFewStars("zero point", int(chosen.sum()), MIN_STARS)
    ratio = stars.flux[chosen] / anchor.flux[chosen]
    error = np.hypot(FLOOR, np.hypot(1 / snr[chosen], 1 / anchor_snr[chosen]))
    typical = weighted_median(ratio, 1 / error**2)
    magnitudes = 2.5 * np.log10(ratio / typical)
    scatter = 1.4826 * weighted_median(np.abs(magnitudes), 1 / error**2)
    mag = anchor_zero_point_mag + 2.5 * np.log10(typical)
    return ZeroPoint(float(mag), float(scatter), int(chosen.sum()), float(typical))


def weighted_median(values: Array, weights: Array) -> float:
    """Return the value with half of the weight on either side."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    half = np.cumsum(weights) - weights / 2
    return float(np.interp(weights.sum() / 2, half, values))


def limiting_mag(zero_point_mag: float, sky_rms_e: float, psf: PsfModel) -> float:
    """Return the magnitude of a star at 5 sigma of the sky, PSF-weighted."""
    pixels = 1 / float((psf.centre.astype(np.float64) ** 2).sum())
    faintest = LIMIT_SIGMA * sky_rms_e * np.sqrt(pixels)
    return float(zero_point_mag - 2.5 * np.log10(faintest))
