"""Correlated noise: what a frame's pixels scatter by on the scale of its PSF.

ZOGY takes white noise. Read-out filters, resampling and imperfect sky models make
neighbouring pixels depend on each other, so that a PSF's sum scatters by more or
less than the pixels say. How much is measured on each image by itself, on blank
sky, before anything is subtracted; never on the difference or its score, whose
scatter stays an independent check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import fft

from astrid_assets.science.differencing.tiles import corner_psf
from astrid_assets.science.differencing.transform import back, forward
from astrid_assets.science.differencing.zogy import Power, half_plane_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.differencing.tiles import Side
    from astrid_assets.science.frame import Image

PowerOn: TypeAlias = Callable[[tuple[int, int]], Power]
"""A noise power spectrum, over that of white noise, for a shape (rfft2 half)."""

BLANK_SIGMA = 2.0  # of the *other* image, so that the selection does not bias
MIN_PSF_AREAS = 300  # blank sky to measure on; the factor is then known to 5 %
LOWER, MIDDLE = 15.87, 50.0  # percentiles; the lower side knows no faint stars


@dataclass(frozen=True)
class NoiseFactors:
    """Noise on the scale of the PSF over what the variance says, for each image.

    That of the reference is relative to its variance *and* the smoothing by the
    spline. Both are 1 where `is_measured` is False, for lack of blank sky.
    """

    new: float
    ref: float
    is_measured: bool


def measure_factors(
    new: Side, ref: Side, ref_power: PowerOn, usable: NDArray[np.bool_]
) -> NoiseFactors:
    """Measure both images with matched filters of their own PSFs."""
    ny, nx = usable.shape
    psfs = [side.psf_at((nx - 1) / 2, (ny - 1) / 2) for side in (new, ref)]
    significances = (
        _significance(new, psfs[0], usable, None),
        _significance(ref, psfs[1], usable, ref_power),
    )
    factors = []
    for own, other, psf in zip(
        significances, reversed(significances), psfs, strict=True
    ):
        blank = usable & (np.abs(other) < BLANK_SIGMA)
        if blank.sum() * float((psf**2).sum()) < MIN_PSF_AREAS:
            return NoiseFactors(1.0, 1.0, is_measured=False)
        low, middle = np.percentile(own[blank], [LOWER, MIDDLE])
        factors.append(float(middle - low))
    return NoiseFactors(factors[0], factors[1], is_measured=True)


def _significance(
    side: Side, psf: Image, usable: NDArray[np.bool_], power_on: PowerOn | None
) -> NDArray[np.floating]:
    """Matched-filter S/N of one image alone; masked pixels count for nothing."""
    ny, nx = usable.shape
    size = [int(fft.next_fast_len(n + psf.shape[0], real=True) or 0) for n in (ny, nx)]
    shape = (size[0], size[1])
    kernel = corner_psf(psf, shape)
    spectrum = np.conj(forward(kernel))
    signal = back(spectrum * forward(np.where(usable, side.image, 0), shape), shape)
    variance = back(
        np.conj(forward(kernel**2))
        * forward(np.where(usable, side.variance, 0), shape),
        shape,
    )
    share = 1.0
    if power_on is not None:
        response = spectrum.real**2 + spectrum.imag**2
        share = half_plane_sum(response * power_on(shape), shape) / half_plane_sum(
            response, shape
        )
    floor = 1e-6 * float(variance.max())
    return (signal / np.sqrt(share * np.maximum(variance, floor)))[:ny, :nx]
