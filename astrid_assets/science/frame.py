"""The frame and its PSF: one exposure with its mask, variance and measured values.

The following holds everywhere: arrays are ``(y, x)`` and zero-based with pixel
``(0, 0)`` at the centre of the first pixel; images are float32 electrons; masks
are bit fields of `mask_bits.MaskBit`; times are ``_mjd`` (UTC) at mid-exposure.
Files are converted to this form by the reader of the survey (`surveys.fits.reader`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.arrays.types import Image, Mask


Array = NDArray[np.float64]


@dataclass(frozen=True)
class PsfModel:
    """A PSF that varies over the frame as a polynomial of position.

    Attributes
    ----------
    coefficients : (k, m, m)
        Stamps, odd `m`, star centred on ``[m // 2, m // 2]``; `k` is 1 for a
        constant PSF, 3 for one linear in x and y, 6 quadratic, 10 cubic. The first
        has unit sum over pixels, the others zero sum: the PSF has unit sum everywhere.
    frame_shape : (ny, nx)
        Shape of the frame, which scales positions to -1..1.
    fwhm_px : pixels
        FWHM at the centre of the frame.
    n_stars
        Number of stars it was measured from.
    oversampling
        Samples of the coefficients per pixel: above 1 where the PSF is too narrow to
        be sampled by whole pixels. Every sample is what a whole pixel there would
        collect.

    References
    ----------
    Anderson & King 2000, PASP 112, 1360: the effective PSF.
    """

    coefficients: Image
    frame_shape: tuple[int, int]
    fwhm_px: float
    n_stars: int
    oversampling: int = 1

    @property
    def size(self) -> int:
        """Side of the stamp in pixels (odd)."""
        return int(self.coefficients.shape[-1] - 1) // self.oversampling + 1

    def at(self, x: float, y: float) -> Image:
        """Return the PSF at a position, with unit sum, centred on the middle pixel.

        Parameters
        ----------
        x, y : pixels
            Position in the frame; beyond its border the PSF of the border is returned.

        Returns
        -------
        stamp : (n, n)
            Unit sum; `n` is `size`, odd.
        """
        terms = polynomial_terms(x, y, self.frame_shape, len(self.coefficients))
        stamps = self.coefficients[:, :: self.oversampling, :: self.oversampling]
        return np.tensordot(terms, stamps, axes=1).astype(np.float32)

    @property
    def centre(self) -> Image:
        """PSF in the middle of the frame: (n, n), unit sum."""
        ny, nx = self.frame_shape
        return self.at((nx - 1) / 2, (ny - 1) / 2)

    def terms_at(self, x: Array, y: Array) -> Array:
        """Return the polynomial terms of the PSF at many positions.

        Parameters
        ----------
        x, y : (n,), pixels
            Positions in the frame.

        Returns
        -------
        terms : (n, k)
            One for each of the `k` coefficient stamps.
        """
        return polynomials(x, y, self.frame_shape, len(self.coefficients))

    def spline_nodes(self) -> Array:
        """Return the cubic B-spline nodes that interpolate the coefficients: (k, m, m)."""
        stamps = np.asarray(self.coefficients, dtype=np.float64)
        return np.stack([ndimage.spline_filter(stamp, order=3) for stamp in stamps])


def polynomial_terms(x: float, y: float, frame_shape: tuple[int, int], count: int) -> Image:
    """Return 1, u, v, u², uv, v², u³, … (the first `count`), with u, v in -1..1.

    Parameters
    ----------
    x, y : pixels
        One position; beyond the frame the border's value holds.
    frame_shape : (ny, nx)
        Shape of the frame, whose corners are u, v = ±1.
    count
        Number of terms, 1 to 10.

    Returns
    -------
    terms : (count,)
        Without unit.
    """
    return np.array(_polynomial(x, y, frame_shape)[:count], dtype=np.float32)


def polynomials(x: Array, y: Array, frame_shape: tuple[int, int], count: int) -> Array:
    """Return the polynomial terms of many positions; see `polynomial_terms`.

    Parameters
    ----------
    x, y : (n,), pixels
        Positions; beyond the frame the border's value holds.
    frame_shape : (ny, nx)
        Shape of the frame, whose corners are u, v = ±1.
    count
        Number of terms, 1 to 10.

    Returns
    -------
    terms : (n, count)
        Without unit.
    """
    out = np.empty((len(x), count))
    for k, term in enumerate(_polynomial(x, y, frame_shape)[:count]):
        out[:, k] = term
    return out


def _polynomial(
    x: float | Array, y: float | Array, frame_shape: tuple[int, int]
) -> list[float | Array]:
    ny, nx = frame_shape
    # Beyond the frame the PSF of its border is used: polynomials diverge outside.
    u = np.clip(2 * x / max(nx - 1, 1) - 1, -1, 1)
    v = np.clip(2 * y / max(ny - 1, 1) - 1, -1, 1)
    linear = [1.0, u, v]
    quadratic = [u * u, u * v, v * v]
    return [*linear, *quadratic, u * u * u, u * u * v, u * v * v, v * v * v]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One exposure on its own pixel grid.

    Attributes
    ----------
    frame_id
        Identity in the catalogue (observation id, or reference id of a stack).
    data : (ny, nx), electrons
        Raw frames still contain the sky; processed frames are background-subtracted.
        Pixels under ``NO_DATA`` are 0, never NaN, once the frame is processed.
    mask : (ny, nx)
        Bits of `mask_bits.MaskBit`; 0 is a good pixel.
    variance : (ny, nx), electrons squared, or None before processing
        Sky, read noise and source Poisson noise; positive everywhere.
    wcs
        Celestial WCS for zero-based pixels, or None when the file had none.
    observed_mjd : days, UTC
        Middle of the exposure.
    exposure_s : seconds
        Exposure time.
    band
        Name of the filter.
    gain_e_per_adu, read_noise_e : electrons per ADU, electrons
        Gain and read noise of the detector.
    saturation_e : electrons
        Level at and above which a pixel is saturated (sky included).
    zero_point_mag
        AB-like magnitude of 1 electron (total, not per second); None before
        calibration.
    psf
        PSF model; None before processing.
    sky_rms_e : electrons per pixel
        Robust scatter of the blank sky; None before processing.
    psf_noise_factor
        Noise on the scale of the PSF over the single-pixel noise of `variance`, where it
        is known from how the frame was made (stacks); None: to be measured on its sky.
    """

    frame_id: str
    data: Image
    mask: Mask
    variance: Image | None = None
    wcs: WCS | None = None
    observed_mjd: float
    exposure_s: float
    band: str
    gain_e_per_adu: float = 1.0
    read_noise_e: float = 0.0
    saturation_e: float = float("inf")
    zero_point_mag: float | None = None
    psf: PsfModel | None = None
    sky_rms_e: float | None = None
    psf_noise_factor: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(ny, nx)``."""
        ny, nx = self.data.shape
        return ny, nx
