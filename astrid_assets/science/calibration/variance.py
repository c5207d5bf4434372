"""The noise of a calibrated frame: photons, dark current, read-out, masters.

A pixel that collects n = s·f + D·t electrons (s the calibrated signal, f the flat,
D the dark current) and is read with noise R has, after calibration ::

    var(s) = (max(s·f, 0) + D·t + R² + (1 - t/T)²·σ_b² + t²·σ_D²) / f²  +  s²·σ_f² / f²

σ_b, σ_D and σ_f are the noise of the masters; they matter when masters are made of
few frames. T is the exposure of the darks: the bias was subtracted from them too, so that
its noise cancels for a frame of the same exposure. The gain enters because everything
is in electrons.

References
----------
Howell 2006, Handbook of CCD Astronomy, ch. 4.4, with the division by the flat
propagated; Newberry 1991, PASP 103, 122, for the noise of the masters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.calibration.apply_kernels import variance_of
from astrid_assets.science.calibration.calibrate import present
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.calibration.masters import Masters


def calibrated_variance(
    light_e: Image,
    exposure_s: float,
    read_noise_e: float,
    masters: Masters | None = None,
) -> Image:
    """Return the variance of a calibrated frame, pixel by pixel.

    Parameters
    ----------
    light_e : (ny, nx), electrons
        Calibrated signal with its sky: the data themselves, or a smooth model of
        them (the sky plus sources), which keeps noise out of the variance. Negative
        values count as no light; NaN stays NaN.
    exposure_s : seconds
        Exposure time of the frame.
    read_noise_e : electrons
        Standard deviation of one read-out of a pixel.
    masters
        Those the frame was calibrated with; None for a frame without.

    Returns
    -------
    variance : (ny, nx), electrons squared
        By the formula of this module.

    Raises
    ------
    ShapeMismatch
        If a master has another shape.

    References
    ----------
    Howell 2006, Handbook of CCD Astronomy, ch. 4.4; Newberry 1991, PASP 103, 122.
    """
    shape = masters.shape if masters is not None else None
    if shape is not None and shape != light_e.shape:
        raise ShapeMismatch(light_e.shape, shape)
    light = np.ascontiguousarray(light_e, np.float32)
    dark = present(masters.dark if masters is not None else None)
    flat = present(masters.flat if masters is not None else None)
    floor_e2, flat_noise2 = read_noise_e**2, 0.0
    if masters is not None:
        shared = exposure_s / masters.dark_exposure_s
        floor_e2 += ((1 - shared) * masters.bias_noise_e) ** 2
        floor_e2 += (masters.dark_noise_e_per_s * exposure_s) ** 2
        flat_noise2 = masters.flat_noise**2
    out = np.empty_like(light)
    in_bands(
        lambda first, last: variance_of(
            light, dark, flat, exposure_s, floor_e2, flat_noise2, out, first, last
        ),
        light.shape[0],
    )
    return out
