"""Raw to calibrated: bias and dark subtracted, flat divided, bad pixels marked.

::

    data = (raw - bias - dark · t) / flat          all in electrons, t in seconds

The noise of the result is in `variance`.

References
----------
Howell 2006, Handbook of CCD Astronomy, ch. 4.5.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.calibration.apply_kernels import apply_masters
from astrid_assets.science.calibration.masters import sampled_median
from astrid_assets.science.errors import ShapeMismatch
from astrid_assets.science.mask_bits import MaskBit

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.calibration.masters import Masters
    from astrid_assets.science.frame import Frame

NO_IMAGE: Image = np.empty((0, 0), np.float32)
LEVEL_PIXELS = 100_000
"""Enough for the level of a frame, good to a hundredth of its noise."""


def calibrate(frame: Frame, masters: Masters) -> Frame:
    """Subtract bias and dark from a raw frame and divide it by the flat.

    Pixels at or above the saturation level are marked SATURATED before anything is
    subtracted; that level then drops by the level of the bias. Pixels that the masters
    show to be dead or not to count electrons are BAD and are not divided by the flat;
    those whose dark current alone is noisier than the frame are HOT. Values that are not
    finite stay so and affect no other pixel.

    Parameters
    ----------
    frame
        Raw, in electrons, overscan subtracted.
    masters
        Those that fit the frame; any of them may be missing.

    Returns
    -------
    calibrated
        With new data, mask and saturation level; the frame itself without any master.

    Raises
    ------
    ShapeMismatch
        If a master has another shape than the frame.

    References
    ----------
    Howell 2006, Handbook of CCD Astronomy, ch. 4.5.
    """
    shape = masters.shape
    if shape is None:
        return frame
    if shape != frame.shape:
        raise ShapeMismatch(frame.shape, shape)
    raw = np.ascontiguousarray(frame.data, np.float32)
    data, mask = np.empty_like(raw), np.empty(frame.shape, np.uint16)
    in_bands(
        partial(
            _rows,
            raw,
            np.ascontiguousarray(frame.mask, np.uint16),
            masters,
            frame.exposure_s,
            frame.saturation_e,
            _hot_limit(frame, raw, masters),
            data,
            mask,
        ),
        frame.shape[0],
    )
    return replace(
        frame, data=data, mask=mask, saturation_e=frame.saturation_e - masters.bias_level_e
    )


def present(image: Image | None) -> Image:
    """Return the image, or the empty array that represents none in a kernel.

    Parameters
    ----------
    image : (ny, nx)
        A master, or None.

    Returns
    -------
    image : (ny, nx) or (0, 0)
        The same image, or one of size 0.
    """
    return NO_IMAGE if image is None else image


def _rows(
    raw: Image,
    given: Mask,
    masters: Masters,
    exposure_s: float,
    saturation_e: float,
    hot_e: float,
    data: Image,
    mask: Mask,
    first: int,
    last: int,
) -> None:
    apply_masters(
        raw,
        given,
        present(masters.bias),
        present(masters.dark),
        present(masters.flat),
        masters.defects,
        exposure_s,
        saturation_e,
        hot_e,
        int(MaskBit.SATURATED),
        int(MaskBit.HOT),
        data,
        mask,
        first,
        last,
    )


def _hot_limit(frame: Frame, raw: Image, masters: Masters) -> float:
    """Dark charge whose shot noise equals that of the frame: above it, HOT.

    A hot pixel's own shot noise then doubles the variance of the sky there.
    """
    if masters.dark is None:
        return float("inf")
    step = max(1, raw.size // LEVEL_PIXELS)
    level = sampled_median(raw.ravel()[::step]) - masters.bias_level_e
    dark_e = sampled_median(masters.dark.ravel()[::step]) * frame.exposure_s
    sky_e = max(level - dark_e, 0.0) if np.isfinite(level) else 0.0
    return max(sky_e + frame.read_noise_e**2, 1.0)
