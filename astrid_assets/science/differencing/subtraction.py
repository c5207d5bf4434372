"""The subtraction: register, scale, match and judge, one frame against one reference.

The steps stand in `subtract` in order; each has its own module. What makes a
difference unusable is a reason stored with it; what makes it impossible is raised.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs.utils import proj_plane_pixel_area

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.differencing import noise
from astrid_assets.science.differencing.common_stars import measure_common_stars
from astrid_assets.science.differencing.difference import Difference
from astrid_assets.science.differencing.evidence import gather
from astrid_assets.science.differencing.filters import Noises
from astrid_assets.science.differencing.judgement import flags_of, reasons_against
from astrid_assets.science.differencing.kernel_fit import matching_blurs
from astrid_assets.science.differencing.local_psf import local_psfs
from astrid_assets.science.differencing.noise_spectrum import (
    measure_spectrum,
    psf_factor,
)
from astrid_assets.science.differencing.prepared import prepared
from astrid_assets.science.differencing.registered_psf import RegisteredPsf
from astrid_assets.science.differencing.sky_match import sky_difference
from astrid_assets.science.differencing.sky_structure import structure_share
from astrid_assets.science.differencing.zogy import match, match_blurred
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.registration.resampling import fill_masked, resample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.differencing.filters import Axes, PowerOn
    from astrid_assets.science.differencing.prepared import Prepared
    from astrid_assets.science.differencing.settings import DifferencingSettings
    from astrid_assets.science.frame import Frame

LIMIT_SIGMA = 5.0

log = logging.getLogger(__name__)


def subtract(
    science: Frame, reference: Frame | Prepared, settings: DifferencingSettings
) -> Difference:
    """Subtract a reference from a frame (ZOGY); the score is in sigma.

    Parameters
    ----------
    science, reference
        Processed: background-subtracted, with variance, PSF and WCS. A reference that
        was prepared before keeps what is measured on it for the next frame.

    Raises
    ------
    FrameRejected
        ``unprocessed``, ``bad_wcs`` or ``no_overlap``.
    TooFewStars
        If the two frames have too few stars in common.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27.
    """
    new, ref = prepared(science), prepared(reference)
    science, base = new.frame, ref.frame
    stars = measure_common_stars(new, ref, settings.min_stars)
    ref_data, ref_variance, ref_bits = resample(
        base.data, ref.variance, base.mask, stars.mapping, science.shape, ref.spline
    )
    bits = _union_mask(science.mask, ref_bits, new.psf.fwhm_px, settings)
    usable = (bits & UNUSABLE) == 0
    if not usable.any():
        raise FrameRejected("no_overlap", "frame and reference share no good pixel")

    # Both images are filled where either is masked, so that a star behind a bad
    # pixel loses the same light in both.
    filled = ((science.mask | ref_bits) & UNUSABLE) != 0
    new_data = fill_masked(science.data, filled)
    ratio = stars.ratio.on_frame()
    ref_data = fill_masked(ref_data * ratio, filled)
    # So do the variances: those of bad pixels say nothing of their neighbours.
    new_variance = fill_masked(new.variance, filled)
    ref_variance = fill_masked(ref_variance * ratio**2, filled)
    sigmas = (
        noise.sky_sigma(new_variance, usable),
        noise.sky_sigma(ref_variance, usable),
    )
    ref_psf = RegisteredPsf(ref.psf, stars.mapping)
    new_data = new_data - sky_difference(
        new_data,
        ref_data,
        new.psf.centre,
        ref_psf.centre,
        ~usable,
        float(np.hypot(*sigmas)),
    )

    powers = _noise_powers(new_data, sigmas[0], ~filled, new.psf.fwhm_px, ref, ref_psf)
    new_stamps, ref_stamps, _ = local_psfs(
        new.psfs_at, ref_psf.at, science.shape, settings.psf_tolerance
    )
    noises = Noises(*sigmas, *powers)
    variances = new_variance, ref_variance
    if settings.method == "kernel":
        blurs = matching_blurs(
            new_data,
            ref_data,
            new_variance + ref_variance,
            usable,
            stars.x,
            stars.y,
            new_stamps,
            (new.psf.fwhm_px, ref.psf.fwhm_px),
        )
        matched = match_blurred(new_data, ref_data, blurs, *variances, noises)
    else:
        matched = match(new_data, ref_data, new_stamps, ref_stamps, *variances, noises)
    terms = noise.measure_terms(
        matched,
        usable,
        stars.x,
        stars.y,
        new.psf.fwhm_px,
        noise.ErrorTerms(
            # The scatter is that of the offset between both images.
            max(stars.scatter_px, settings.assumed_astrometric_noise_px) / np.sqrt(2),
            settings.assumed_psf_error,
        ),
    )
    flux, flux_err, score = noise.score_of(matched, usable, terms, new.psf.fwhm_px)
    blank = noise.blank_sky(matched.flux_ref, flux_err, matched.variance, usable)
    structure = structure_share(matched.flux, matched.variance, blank, new.psf.fwhm_px)
    sample = noise.sample_of(blank)
    if structure:
        typical = float(np.median(matched.variance.ravel()[sample]))
        flux_err = np.hypot(flux_err, np.float32(np.sqrt(structure * typical)))
        score = np.divide(flux, flux_err)
    blank_scores = score.ravel()[sample]
    reference_rms = mad_sigma(ref_data.ravel()[sample])
    factors = (
        psf_factor(new.psf.centre, powers[0]),
        psf_factor(ref_psf.centre, powers[1]),
    )
    difference = Difference(
        frame_id=science.frame_id,
        reference_id=base.frame_id,
        d=matched.d,
        score=score,
        flux=flux,
        flux_err=flux_err,
        mask=bits,
        registered_reference=ref_data,
        psf_d=matched.psf_d,
        psf_d_changes=matched.psf_d_changes,
        wcs=new.wcs,
        zero_point_mag=science.zero_point_mag,
        std_score=mad_sigma(blank_scores),
        flux_ratio=stars.ratio.level,
        flux_ratio_change=stars.ratio.change,
        flux_ratio_scatter=stars.ratio_scatter,
        n_stars=len(stars),
        offset_px=stars.offset_px,
        astrometric_noise_px=terms.jitter_px * np.sqrt(2),
        psf_error=terms.psf_error,
        sky_structure=structure,
        sky_rms_e=mad_sigma(new_data.ravel()[sample]),
        reference_rms_e=reference_rms,
        noise_factor=factors[1] * sigmas[1] / reference_rms,
        coverage=_coverage(science.mask, ref_bits),
        limiting_mag=_limiting_mag(
            science.zero_point_mag, flux_err.ravel()[noise.sample_of(usable)]
        ),
        residual_power=noise.residual_power(matched, usable, stars.x, stars.y, new.psf.fwhm_px),
        area_deg2=float(proj_plane_pixel_area(new.wcs.celestial) * usable.sum()),
        evidence=gather(stars, matched, blank_scores),
    )
    log.info(
        "subtracted %s - %s: %d stars, flux ratio %.3f, offset %.2f px, std %.3f",
        science.frame_id,
        base.frame_id,
        len(stars),
        stars.ratio.level,
        stars.offset_px,
        difference.std_score,
    )
    return replace(
        difference,
        reasons=reasons_against(difference, settings),
        flags=flags_of(difference, _ratio_by_zero_points(science, base), factors, settings),
    )


def _union_mask(
    new_bits: Mask, ref_bits: Mask, fwhm_px: float, settings: DifferencingSettings
) -> Mask:
    """Bits of both, grown; EDGE where less than a full PSF lies in the frame."""
    bits = noise.grow_mask(new_bits | ref_bits, settings.mask_growth_fwhm * fwhm_px)
    border = max(1, round(fwhm_px))
    inner = np.zeros(bits.shape, dtype=bool)
    inner[border:-border, border:-border] = True
    bits[~inner] |= np.uint16(MaskBit.EDGE)
    return bits


def _noise_powers(
    new: Image,
    new_sigma: float,
    new_good: NDArray[np.bool_],
    new_fwhm_px: float,
    ref: Prepared,
    ref_psf: RegisteredPsf,
) -> tuple[PowerOn, PowerOn]:
    """Spectra of both images' noise; the reference's as resampling leaves it."""
    of_new = measure_spectrum(new, new_sigma, new_good, new_fwhm_px)

    def resampled(shape: tuple[int, int]) -> Axes:
        own, smoothing = ref.spectrum.axes(shape), ref_psf.noise_axes(shape)
        return own[0] * smoothing[0], own[1] * smoothing[1]

    return of_new.axes, resampled


def _coverage(new_bits: Mask, ref_bits: Mask) -> float:
    new_good = (new_bits & UNUSABLE) == 0
    both = new_good & ((ref_bits & UNUSABLE) == 0)
    return float(both.sum() / max(new_good.sum(), 1))


def _ratio_by_zero_points(science: Frame, reference: Frame) -> float | None:
    if science.zero_point_mag is None or reference.zero_point_mag is None:
        return None
    return 10 ** (0.4 * (science.zero_point_mag - reference.zero_point_mag))


def _limiting_mag(zero_point_mag: float | None, flux_err: Image) -> float | None:
    if zero_point_mag is None:
        return None
    faintest = LIMIT_SIGMA * float(np.median(flux_err))
    return zero_point_mag - 2.5 * float(np.log10(faintest))
