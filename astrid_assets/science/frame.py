"""The frame: one exposure, its mask and variance, and what is known of it.

Stated once, assumed everywhere: arrays are ``(y, x)`` and zero-based with pixel
``(0, 0)`` at the centre of the first pixel; images are float32 electrons; masks
are bit fields of `mask_bits.MaskBit`; times are ``_mjd`` (UTC) at mid-exposure.
Files are converted to this at the survey's door (`surveys.fits_door`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.psf import PsfModel

Image: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.uint16]
Cutouts: TypeAlias = NDArray[np.float32]
"""(n, 3, size, size): science, reference and score (S_corr) around candidates;
the first two in units of the local sky sigma, the third in sigma."""

CUTOUT_SIZE = 64
"""Side of a candidate's cutout in pixels; the candidate sits at [32, 32]."""


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


@dataclass(frozen=True, kw_only=True)
class Stars:
    """Stars of one frame, brightest first; every array has shape ``(n,)``.

    `x`, `y` in pixels, `flux` and `flux_err` in electrons (PSF-like aperture),
    `fwhm_px`, `elongation` (a/b), `flag` non-zero where blended, saturated or
    masked; `ra_deg`, `dec_deg` NaN until the frame has a WCS.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    fwhm_px: NDArray[np.float64]
    elongation: NDArray[np.float64]
    flag: NDArray[np.int16]
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]

    def __len__(self) -> int:
        """Count the stars."""
        return len(self.x)
