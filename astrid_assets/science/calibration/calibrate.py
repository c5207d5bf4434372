"""Raw to calibrated: bias and dark off, divided by the flat, bad pixels marked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.background import robust_sigma
from astrid_assets.science.defects import with_bit
from astrid_assets.science.errors import ShapeMismatch
from astrid_assets.science.mask_bits import MaskBit

if TYPE_CHECKING:
    from astrid_assets.science.calibration.masters import Masters
    from astrid_assets.science.frame import Frame, Image

MIN_FLAT = 0.2
"""A pixel with a fifth of the usual response is dead or behind the edge."""

MAX_FLAT = 3.0
DEVIANT_BIAS_SIGMA = 20.0


def calibrate(frame: Frame, masters: Masters) -> Frame:
    """Take bias and dark off a raw frame and divide it by the flat.

    Pixels that the masters show to be dead, hot or without response are BAD.
    The saturation level moves with the bias.

    Raises
    ------
    ShapeMismatch
        If a master has another shape than the frame.
    """
    for master in (masters.bias, masters.dark, masters.flat):
        if master is not None and master.shape != frame.shape:
            raise ShapeMismatch(frame.shape, master.shape)
    data, mask = frame.data.astype(np.float32), frame.mask
    saturation = frame.saturation_e
    # Saturation is a matter of the raw level, before anything is taken off.
    full = data >= saturation
    mask = with_bit(mask, full, MaskBit.SATURATED)
    if masters.bias is not None:
        data = data - masters.bias
        saturation -= float(np.nanmedian(masters.bias))
        mask = with_bit(mask, _deviant(masters.bias), MaskBit.BAD)
    if masters.dark is not None:
        dark_e = masters.dark * np.float32(frame.exposure_s)
        data = data - dark_e
        noise_e2 = max(float(np.nanmedian(data)), 0.0) + frame.read_noise_e**2
        # A hot pixel's own shot noise doubles the variance of the sky there.
        mask = with_bit(
            mask, (dark_e > max(noise_e2, 1.0)) | ~np.isfinite(dark_e), MaskBit.BAD
        )
    if masters.flat is not None:
        flat = masters.flat
        good = np.isfinite(flat) & (flat > MIN_FLAT) & (flat < MAX_FLAT)
        data = data / np.where(good, flat, 1)
        mask = with_bit(mask, ~good, MaskBit.BAD)
    return replace(
        frame, data=data.astype(np.float32), mask=mask, saturation_e=saturation
    )


def _deviant(bias: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Mark bias pixels far from all others: they do not count electrons."""
    finite = np.isfinite(bias)
    middle = float(np.median(bias[finite]))
    sigma = robust_sigma(bias[finite] - middle)
    return ~finite | (np.abs(bias - middle) > DEVIANT_BIAS_SIGMA * max(sigma, 1e-6))
