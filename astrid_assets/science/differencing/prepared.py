"""A frame that can be subtracted, and what is measured on it once for all its pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.differencing.noise import sky_sigma
from astrid_assets.science.differencing.noise_spectrum import (
    NoiseSpectrum,
    measure_spectrum,
)
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.registration.resampling import (
    fill_masked,
    spline_coefficients,
    unusable_pixels,
)

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.local_psf import Positions, Stamps
    from astrid_assets.science.frame import Frame, PsfModel


@dataclass(frozen=True)
class Prepared:
    """A processed frame: variance, PSF and WCS are present.

    What is measured here is measured once: a night subtracts the same reference from
    many frames.

    Attributes
    ----------
    bad : (ny, nx)
        Pixels without usable flux; each of them is marked in the mask.
    """

    frame: Frame
    variance: Image
    psf: PsfModel
    wcs: WCS
    bad: NDArray[np.bool_]

    @cached_property
    def sky_sigma(self) -> float:
        """Noise of blank sky according to the variance, electrons per pixel."""
        return sky_sigma(self.variance, ~self.bad)

    @cached_property
    def spline(self) -> Image:
        """Coefficients of the cubic spline through the image, bad pixels filled."""
        return spline_coefficients(fill_masked(self.frame.data, self.bad))

    @cached_property
    def spectrum(self) -> NoiseSpectrum:
        """Spectrum of the noise; for a stack, scaled to its noise on the scale of the PSF."""
        found = measure_spectrum(self.frame.data, self.sky_sigma, ~self.bad, self.psf.fwhm_px)
        if self.frame.psf_noise_factor is None:
            return found
        return found.scaled_to(self.frame.psf_noise_factor, self.psf.centre)

    def psfs_at(self, x: Positions, y: Positions) -> Stamps:
        """Return the PSF at positions.

        Parameters
        ----------
        x, y : (n,), pixels
            Positions on this frame.

        Returns
        -------
        stamps : (n, s, s)
            Unit sum, centred.
        """
        return np.array([self.psf.at(float(a), float(b)) for a, b in zip(x, y, strict=True)])


def prepared(frame: Frame | Prepared) -> Prepared:
    """Check that a frame was processed; values that are not finite count as missing.

    Parameters
    ----------
    frame
        The frame, in electrons; one that was prepared before is returned as it is.

    Returns
    -------
    prepared
        The frame with a mask that marks every unusable pixel.

    Raises
    ------
    FrameRejected
        ``unprocessed`` without variance, PSF or WCS.
    """
    if isinstance(frame, Prepared):
        return frame
    variance, psf, wcs = frame.variance, frame.psf, frame.wcs
    if variance is None or psf is None or wcs is None:
        raise FrameRejected(
            ReasonCode.UNPROCESSED,
            f"frame {frame.frame_id} lacks a variance, PSF or WCS: process it first",
        )
    bad, is_marked = unusable_pixels(frame.data, variance, frame.mask)
    if not is_marked:
        missing = bad & ((frame.mask & UNUSABLE) == 0)
        lost = np.where(missing, np.uint16(MaskBit.NO_DATA), np.uint16(0))
        frame = replace(frame, mask=frame.mask | lost)
    return Prepared(frame, variance, psf, wcs, bad)
