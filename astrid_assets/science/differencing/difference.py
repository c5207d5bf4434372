"""The difference: what a frame shows that its reference does not.

A value with its quality numbers, made by `subtraction.subtract` and read by
detection, cutouts and the frame store. Nothing is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.differencing.local_psf import at

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.differencing.evidence import Evidence
    from astrid_assets.science.differencing.local_psf import Stamps
    from astrid_assets.science.errors import Reason


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Science minus reference on the science frame's grid, in its electrons.

    Attributes
    ----------
    frame_id, reference_id
        Identities of the two frames.
    d : (ny, nx), electrons
        The proper difference (ZOGY's D over F_D): a source of `f` electrons more
        than in the reference is ``f * psf_d``; its sky noise is white.
    score : (ny, nx), sigma
        S_corr; a point source's peak is its signal to noise. 0 under `UNUSABLE`.
    flux, flux_err : (ny, nx), electrons
        PSF flux of a point source centred on each pixel, and its error;
        ``score`` is their ratio. `flux` is 0 under `UNUSABLE`.
    mask : (ny, nx)
        Both frames' bits, the unusable ones grown to what they spoil.
    registered_reference : (ny, nx), electrons of the science frame
        The reference on the science grid, scaled to the science frame's flux,
        not PSF-matched.
    psf_d : (n, n)
        PSF of `d` at the centre of the frame, unit sum, centred on its middle.
    psf_d_changes : (k, n, n)
        The further terms of `local_psf` where that PSF changes over the frame.
    wcs
        The science frame's.
    zero_point_mag
        The science frame's, None when it has none.
    std_score : sigma
        Robust scatter of the score on blank unmasked sky; 1 when the noise is right. It is
        measured; the score is never divided by it.
    flux_ratio, flux_ratio_scatter
        F_n / F_r (science electrons per reference electron; in the middle where it
        changes), and the robust relative scatter of the stars about it.
    flux_ratio_change
        By how much that ratio changes over the frame, relative; 0 where it is constant.
    n_stars
        Number of stars that gave the flux ratio and the offset.
    offset_px : pixels
        Residual offset after the WCS registration, measured on these stars and
        corrected.
    astrometric_noise_px : pixels per axis
        Scatter left after that correction, beyond photon noise; enters S_corr.
    psf_error
        Residual of bright stars over their flux; enters S_corr.
    sky_rms_e, reference_rms_e : electrons per pixel
        Robust scatter of the blank sky of the science frame and of the
        registered, scaled reference.
    noise_factor
        The reference's noise on the scale of the PSF, as used, over what
        `reference_rms_e` would give if its noise were white: resampling smooths
        pixels, so it is mostly above 1. The flag ``correlated_noise`` holds the
        factors of both images where they matter.
    coverage : fraction
        Usable pixels of the frame with usable reference, over all its usable pixels.
    limiting_mag
        Limiting magnitude at 5 sigma, median over the usable pixels; None without zero point.
    area_deg2
        Usable area searched.
    residual_power
        Share of their power that constant stars leave, noise subtracted: the median of
        (residual / flux)²; None without bright stars.
    evidence
        The measurements behind these numbers, for pictures; None when it was read
        from a file.
    sky_structure
        Variance of the sky's patches wider than the PSF over that of noise; enters
        S_corr.
    reasons, flags
        Why it must not be used (empty: accepted), and what is worth knowing.
    """

    frame_id: str
    reference_id: str
    d: Image
    score: Image
    flux: Image
    flux_err: Image
    mask: Mask
    registered_reference: Image
    psf_d: Image
    wcs: WCS
    zero_point_mag: float | None
    std_score: float
    flux_ratio: float
    flux_ratio_scatter: float
    n_stars: int
    offset_px: float
    astrometric_noise_px: float
    psf_error: float
    sky_rms_e: float
    reference_rms_e: float
    noise_factor: float
    coverage: float
    limiting_mag: float | None
    area_deg2: float
    residual_power: float | None = None
    sky_structure: float = 0.0
    flux_ratio_change: float = 0.0
    psf_d_changes: Stamps | None = None
    evidence: Evidence | None = None
    reasons: tuple[Reason, ...] = ()
    flags: tuple[Reason, ...] = ()

    def psf_d_at(self, x: float, y: float) -> Image:
        """Return the PSF of `d` at a position.

        Parameters
        ----------
        x, y : pixels
            Position on the science frame.

        Returns
        -------
        psf : (n, n)
            Unit sum, centred.
        """
        if self.psf_d_changes is None:
            return self.psf_d
        shape = self.d.shape[0], self.d.shape[1]
        return at(np.concatenate([self.psf_d[None], self.psf_d_changes]), x, y, shape)

    @property
    def is_accepted(self) -> bool:
        """True when there is no reason to reject it."""
        return not self.reasons
