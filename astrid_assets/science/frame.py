"""The frame and its PSF: one exposure, its mask and variance, what is known of it.

Stated once, assumed everywhere: arrays are ``(y, x)`` and zero-based with pixel
``(0, 0)`` at the centre of the first pixel; images are float32 electrons; masks
are bit fields of `mask_bits.MaskBit`; times are ``_mjd`` (UTC) at mid-exposure.
Files are converted to this by the reader of the survey (`surveys.fits.reader`).
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
        has unit sum over pixels, the others zero sum: unit sum everywhere.
    frame_shape : (ny, nx)
        Scales positions to -1..1.
    fwhm_px : pixels
        At the centre of the frame.
    n_stars
        Stars it was measured from.
    oversampling
        Samples of the coefficients per pixel: above 1 where pixels are too wide to
        tell how the PSF looks between their centres. Every sample is what a whole
        pixel there would collect.

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
        """Return the PSF at a position: (n, n), unit sum, centred on its middle."""
        terms = polynomial_terms(x, y, self.frame_shape, len(self.coefficients))
        stamps = self.coefficients[:, :: self.oversampling, :: self.oversampling]
        return np.tensordot(terms, stamps, axes=1).astype(np.float32)

    @property
    def centre(self) -> Image:
        """The PSF in the middle of the frame: (n, n), unit sum."""
        ny, nx = self.frame_shape
        return self.at((nx - 1) / 2, (ny - 1) / 2)

    def terms_at(self, x: Array, y: Array) -> Array:
        """Return the polynomial terms at many positions: (n, k)."""
        return polynomials(x, y, self.frame_shape, len(self.coefficients))

    def spline_nodes(self) -> Array:
        """Return the cubic B-spline whose values are the coefficients: (k, m, m)."""
        stamps = np.asarray(self.coefficients, dtype=np.float64)
        return np.stack([ndimage.spline_filter(stamp, order=3) for stamp in stamps])


def polynomial_terms(x: float, y: float, frame_shape: tuple[int, int], count: int) -> Image:
    """Return 1, u, v, u², uv, v², u³ … (the first `count`), with u, v in -1..1."""
    return np.array(_polynomial(x, y, frame_shape)[:count], dtype=np.float32)


def polynomials(x: Array, y: Array, frame_shape: tuple[int, int], count: int) -> Array:
    """Return the terms of many positions: (n, count)."""
    out = np.empty((len(x), count))
    for k, term in enumerate(_polynomial(x, y, frame_shape)[:count]):
        out[:, k] = term
    return out


def _polynomial(
    x: float | Array, y: float | Array, frame_shape: tuple[int, int]
) -> list[float | Array]:
    ny, nx = frame_shape
    # Beyond the frame the PSF of its border holds: a polynomial must not run away.
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
        Raw frames still hold the sky; processed frames are background-subtracted.
        Pixels under ``NO_DATA`` are 0, never NaN, once the frame is processed.
    mask : (ny, nx)
    variance : (ny, nx), electrons squared, or None before processing
        Sky, read noise and source Poisson noise; positive everywhere.
    wcs
        Celestial WCS for zero-based pixels, or None when the file had none.
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
        Noise on the scale of the PSF over what `variance` says of single pixels, where
        the frame's making tells it (stacks); None: to be measured on its sky.
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
