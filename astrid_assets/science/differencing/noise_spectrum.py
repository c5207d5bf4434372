"""The spectrum of a frame's noise, measured on its blank sky.

ZOGY's noise is white; that of detectors and stacks often is not: read-out filters
make neighbours along a row anticorrelated, pickup repeats every few columns, and
resampling smooths. The covariance along each axis is measured on the image alone
after a high-pass filter along the *other* axis, which no star passes: undetected
sources, which cancel in a difference, do not count as noise. The spectrum is the
product of both axes, relative to white noise of the same pixel variance.

Stacks with members turned by tens of degrees have no such product, and on the scale
of the PSF, where nothing can be measured beside stars, the product gives up to 1.3
times their noise. The members of a stack determine that noise (`reference.stacking`),
and `scaled_to` applies it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation, correlate1d

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA, median_deviation
from astrid_assets.science.differencing.filters import half_plane_sum
from astrid_assets.science.differencing.transform import StampSpectrum, frequencies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.filters import Axes, PowerOn

HIGH_PASS = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
"""Fourth difference: at half the Nyquist frequency it passes 1/16 of its highest power."""

LAGS = 6  # covariance further away is pattern, not noise; it is not modelled
SOURCE_SIGMA = 4.0
CLIP_SIGMA = 4.0
MIN_BLANK_PX = 5000  # correlations are then known to 0.015
ENOUGH_BLANK_PX = 100_000  # to 0.003: the middle of the frame mostly has them
MIDDLE_PX = 640
SIGNIFICANT = 4.0  # of their own error; smaller correlations are taken as none
MIN_POWER = 0.1  # a sum of few lags can dip to zero, noise does not


@dataclass(frozen=True)
class NoiseSpectrum:
    """Correlation along rows (x) and columns (y), lag 0 first, where it is 1.

    `level` is the mean power over that of white noise.
    """

    along_x: NDArray[np.float64]
    along_y: NDArray[np.float64]
    is_measured: bool = True
    level: float = 1.0

    def axes(self, shape: tuple[int, int]) -> Axes:
        """Return the power over that of white noise, along y and rfft2's half of x.

        Parameters
        ----------
        shape
            Shape of the plane, (ny, nx) pixels.

        Returns
        -------
        along_y, along_x : (ny,) and (nx // 2 + 1,)
            Their product is the spectrum on the half plane; its mean is `level`.
        """
        kx, ky = frequencies(shape)
        return (
            (self.level * _power(self.along_y, ky)).astype(np.float32),
            _power(self.along_x, kx).astype(np.float32),
        )

    def scaled_to(self, factor: float, psf: Image) -> NoiseSpectrum:
        """Return this spectrum scaled so that its `psf_factor` is the given one.

        Parameters
        ----------
        factor
            Noise on the scale of the PSF over that of white noise.
        psf : (n, n), unit sum
            The PSF.

        Returns
        -------
        spectrum
            Dimensionless; the same correlations, another level.
        """
        ratio = factor / psf_factor(psf, self.axes)
        return replace(self, level=self.level * ratio**2)


def measure_spectrum(
    image: Image, noise: float, usable: NDArray[np.bool_], fwhm_px: float
) -> NoiseSpectrum:
    """Measure the noise's correlations; white when there is too little blank sky.

    Parameters
    ----------
    image : (ny, nx), electrons
        Background-subtracted.
    noise : electrons per pixel
        Scatter of the sky: brighter pixels are sources.
    usable : (ny, nx)
        True where a pixel may be used.
    fwhm_px : pixels
        FWHM of the PSF: that far around sources nothing is sky.

    Returns
    -------
    spectrum
        Dimensionless, relative to white noise.
    """
    for part in (_middle(image.shape), (slice(None), slice(None))):
        data, good = image[part], usable[part]
        spoiled = ~good | (data > SOURCE_SIGMA * noise)
        blank = ~np.asarray(binary_dilation(spoiled, iterations=max(2, round(fwhm_px))), dtype=bool)
        if blank.sum() >= ENOUGH_BLANK_PX:
            break
    if blank.sum() < MIN_BLANK_PX:
        return NoiseSpectrum(np.ones(1), np.ones(1), is_measured=False)
    data = np.where(good, data, 0).astype(np.float32)
    return NoiseSpectrum(_correlation(data, blank, axis=1), _correlation(data, blank, axis=0))


def _middle(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the middle of a frame; `MIDDLE_PX` wide, less where there is no more."""
    row, column = (max(0, (n - MIDDLE_PX) // 2) for n in shape)
    return slice(row, row + MIDDLE_PX), slice(column, column + MIDDLE_PX)


def psf_factor(psf: Image, power_on: PowerOn) -> float:
    """Return the noise of a matched filter's output over that of white noise.

    Parameters
    ----------
    psf : (n, n), unit sum
        The filter.
    power_on
        Gives the power of the noise over that of white noise.

    Returns
    -------
    factor
        sqrt(sum |P|² power / sum |P|²) over all frequencies.
    """
    shape = (2 * psf.shape[0], 2 * psf.shape[1])
    response = np.abs(StampSpectrum(psf, shape).whole()) ** 2
    loud = half_plane_sum(response * np.outer(*power_on(shape)), shape)
    return float(np.sqrt(loud / half_plane_sum(response, shape)))


def _correlation(data: Image, blank: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    """Correlation at lags 0 to 5 along an axis, high-passed along the other."""
    high = correlate1d(data, HIGH_PASS, axis=1 - axis)
    limit = CLIP_SIGMA * MAD_TO_SIGMA * median_deviation(high[blank], 0)
    good = blank & (np.abs(high) < limit)
    high = np.moveaxis(np.where(good, high, 0), axis, 0)
    good = np.moveaxis(good, axis, 0)
    n = len(high)
    lags = np.ones(LAGS)
    variance = float((high**2).sum(dtype=np.float64) / good.sum())
    for lag in range(1, LAGS):
        pairs = int((good[lag:] & good[: n - lag]).sum())
        product = float((high[lag:] * high[: n - lag]).sum(dtype=np.float64))
        lags[lag] = product / max(pairs, 1) / variance
    # The high-pass correlates neighbours: a few pixels make one independent pair.
    error = np.sqrt(HIGH_PASS.size / max(int(good.sum()), 1))
    lags[1:] = np.where(np.abs(lags[1:]) > SIGNIFICANT * error, lags[1:], 0)
    return lags


def _power(correlation: NDArray[np.float64], k: NDArray[np.float64]) -> NDArray[np.float64]:
    lags = np.arange(1, len(correlation))
    waves = np.cos(2 * np.pi * k[:, None] * lags)
    return np.maximum(1 + 2 * waves @ correlation[1:], MIN_POWER)
