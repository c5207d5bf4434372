"""One frame of a simulated pair: how it sees the sky, and its exposure.

What lies on the sky of both frames is in `pair`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs import WCS

from astrid_assets.science.frame import Frame
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.simulation.point_spread import PsfField

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

PIXEL_SCALE_ARCSEC = 1.0
ZERO_POINT_MAG = 25.0


@dataclass(frozen=True, kw_only=True)
class PairSide:
    """One of both frames: how it sees the sky.

    Attributes
    ----------
    frame_id, observed_mjd
        Identity and time.
    field, wcs
        The PSF over the frame, and where it points.
    sky_e : electrons per pixel of one exposure
    read_noise_e : electrons of one exposure
    exposures
        How many it is the mean of.
    scale
        Its electrons per electron of the science frame.
    saturation_e : electrons
    """

    frame_id: str
    observed_mjd: float
    field: PsfField
    wcs: WCS
    sky_e: float
    read_noise_e: float
    exposures: int
    scale: float
    saturation_e: float

    @property
    def sigma_e(self) -> float:
        """Noise of the blank sky, electrons per pixel."""
        return float(np.sqrt((self.sky_e + self.read_noise_e**2) / self.exposures))

    def expose(self, rng: np.random.Generator, clean: Image) -> Frame:
        """Add sky and noise, saturate, and subtract the sky again.

        Parameters
        ----------
        rng
            Draws photons and read noise.
        clean : (ny, nx), electrons
            Light of stars and transients alone.

        Returns
        -------
        frame : (ny, nx), electrons
            Background-subtracted, with the true PSF, variance and WCS.
        """
        expected = clean + self.sky_e
        electrons = rng.poisson(expected * self.exposures) / self.exposures
        read_noise = self.read_noise_e / np.sqrt(self.exposures)
        electrons += rng.normal(0, read_noise, clean.shape)
        is_saturated = electrons >= self.saturation_e
        data = np.minimum(electrons, self.saturation_e) - self.sky_e
        variance = (expected + self.read_noise_e**2) / self.exposures
        return Frame(
            frame_id=self.frame_id,
            data=data.astype(np.float32),
            mask=(is_saturated * int(MaskBit.SATURATED)).astype(np.uint16),
            variance=variance.astype(np.float32),
            wcs=self.wcs,
            observed_mjd=self.observed_mjd,
            exposure_s=60.0,
            band="r",
            gain_e_per_adu=1.0,
            read_noise_e=float(read_noise),
            saturation_e=self.saturation_e - self.sky_e,
            zero_point_mag=float(ZERO_POINT_MAG + 2.5 * np.log10(self.scale)),
            psf=self.field.model(),
            sky_rms_e=self.sigma_e,
        )


def psf_field(
    shape: tuple[int, int],
    fwhm_px: float,
    ellipticity: tuple[float, float],
    variation: float,
    turn: float,
) -> PsfField:
    """Return a PSF that changes over the frame.

    Parameters
    ----------
    shape
        Shape of the frame, (ny, nx) pixels.
    fwhm_px : pixels
        In the middle of the frame.
    ellipticity
        Both components in the middle of the frame.
    variation
        Relative growth of the FWHM from the middle to the edge.
    turn : radians
        Direction in which it grows.

    Returns
    -------
    field
        The PSF at every position.
    """
    c, s = variation * np.cos(turn), variation * np.sin(turn)
    return PsfField(
        frame_shape=shape,
        fwhm_px=fwhm_px,
        ellipticity=ellipticity,
        fwhm_slope=(0.5 * c, 0.5 * s),
        fwhm_bowl=0.5 * variation,
        ellipticity_slope=((0.5 * c, 0.5 * s), (-0.5 * s, 0.5 * c)),
    )


def tangent_wcs(shape: tuple[int, int], shift_px: tuple[float, float]) -> WCS:
    """Return the WCS of a frame that is shifted from the middle of the field.

    Parameters
    ----------
    shape
        Shape of the frame, (ny, nx) pixels.
    shift_px : (dx, dy), pixels
        Where the middle of the field lies from that of the frame.

    Returns
    -------
    wcs
        Gnomonic, of `PIXEL_SCALE_ARCSEC` per pixel, north up, at (150, 2) degrees.
    """
    ny, nx = shape
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [(nx + 1) / 2 + shift_px[0], (ny + 1) / 2 + shift_px[1]]
    wcs.wcs.cdelt = [-PIXEL_SCALE_ARCSEC / 3600, PIXEL_SCALE_ARCSEC / 3600]
    wcs.wcs.set()
    return wcs
