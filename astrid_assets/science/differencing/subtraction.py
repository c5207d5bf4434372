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

from astrid_assets.science.differencing import noise
from astrid_assets.science.differencing.common_stars import measure_common_stars
from astrid_assets.science.differencing.difference import Difference
from astrid_assets.science.differencing.judgement import flags_of, reasons_against
from astrid_assets.science.differencing.noise_spectrum import (
    measure_spectrum,
    psf_factor,
)
from astrid_assets.science.differencing.prepared import prepared
from astrid_assets.science.differencing.registered_psf import RegisteredPsf
from astrid_assets.science.differencing.sky_match import sky_difference
from astrid_assets.science.differencing.tiles import (
    Side,
    centred_psf,
    count_tiles,
    match_tiled,
)
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.registration import (
    fill_masked,
    resample,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.differencing.settings import DifferencingSettings
    from astrid_assets.science.differencing.star_fit import CommonStars
    from astrid_assets.science.differencing.zogy import Matched
    from astrid_assets.science.frame import Frame, Image, Mask

LIMIT_SIGMA = 5.0

log = logging.getLogger(__name__)


def subtract(
    science: Frame, reference: Frame, settings: DifferencingSettings
) -> Difference:
    """Subtract a reference from a frame (ZOGY); the score is in sigma.

    Parameters
    ----------
    science, reference
        Processed: background-subtracted, with variance, PSF and WCS.

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
    stars = measure_common_stars(new, ref, settings.min_stars)
    ref_data, ref_variance, ref_bits = resample(
        reference.data, ref.variance, reference.mask, stars.mapping, science.shape
    )
    bits = _union_mask(science.mask, ref_bits, new.psf.fwhm_px, settings)
    usable = (bits & UNUSABLE) == 0
    if not usable.any():
        raise FrameRejected("no_overlap", "frame and reference share no good pixel")

    # Both images are filled where either is masked, so that a star behind a bad
    # pixel loses the same light in both.
    filled = ((science.mask | ref_bits) & UNUSABLE) != 0
    new_data = fill_masked(science.data, filled)
    ref_data = fill_masked(ref_data * np.float32(stars.ratio), filled)
    ref_variance *= np.float32(stars.ratio**2)
    sigmas = (
        noise.sky_sigma(new.variance, usable),
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

    ref_good = (reference.mask & UNUSABLE) == 0
    spectra = (
        measure_spectrum(new_data, sigmas[0], ~filled, new.psf.fwhm_px),
        measure_spectrum(
            reference.data,
            noise.sky_sigma(ref.variance, ref_good),
            ref_good,
            ref.psf.fwhm_px,
        ),
    )
    sides = (
        Side(
            image=new_data,
            variance=new.variance,
            psf_at=new.psf.at,
            noise=sigmas[0],
            power_on=spectra[0].power,
        ),
        Side(
            image=ref_data,
            variance=ref_variance,
            psf_at=ref_psf.at,
            noise=sigmas[1],
            power_on=lambda shape: spectra[1].power(shape) * ref_psf.noise_power(shape),
        ),
    )
    count = count_tiles(
        sides, science.shape, settings.psf_tolerance, settings.max_tiles
    )
    matched = match_tiled(*sides, count=count)
    flux = np.where(usable, matched.flux_new - matched.flux_ref, np.float32(0))
    variance, psf_error = _full_variance(
        matched, flux, stars, usable, new.psf.fwhm_px, settings
    )
    flux_err = np.sqrt(variance)
    score = (flux / flux_err).astype(np.float32)
    blank = noise.blank_sky(matched.flux_ref, flux_err, usable)
    reference_rms = noise.robust_sigma(ref_data[blank])
    factors = (
        psf_factor(new.psf.centre, sides[0].power_on),
        psf_factor(ref_psf.centre, sides[1].power_on),
    )
    difference = Difference(
        frame_id=science.frame_id,
        reference_id=reference.frame_id,
        d=matched.d,
        score=score,
        flux=flux,
        flux_err=flux_err,
        mask=bits,
        registered_reference=ref_data,
        psf_d=centred_psf(matched.psf_d, max(new.psf.size, ref.psf.size)),
        wcs=new.wcs,
        zero_point_mag=science.zero_point_mag,
        std_score=noise.robust_sigma(score[blank]),
        flux_ratio=stars.ratio,
        flux_ratio_scatter=stars.ratio_scatter,
        n_stars=len(stars),
        offset_px=stars.offset_px,
        astrometric_noise_px=stars.scatter_px,
        psf_error=psf_error,
        sky_rms_e=noise.robust_sigma(new_data[blank]),
        reference_rms_e=reference_rms,
        noise_factor=factors[1] * sides[1].noise / reference_rms,
        coverage=_coverage(science.mask, ref_bits),
        limiting_mag=_limiting_mag(science.zero_point_mag, flux_err[usable]),
        area_deg2=float(proj_plane_pixel_area(new.wcs.celestial) * usable.sum()),
    )
    log.info(
        "subtracted %s - %s: %d stars, flux ratio %.3f, offset %.2f px, std %.3f",
        science.frame_id,
        reference.frame_id,
        len(stars),
        stars.ratio,
        stars.offset_px,
        difference.std_score,
    )
    return replace(
        difference,
        reasons=reasons_against(difference, settings),
        flags=flags_of(
            difference, _ratio_by_zero_points(science, reference), factors, settings
        ),
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


def _full_variance(
    matched: Matched,
    flux: Image,
    stars: CommonStars,
    usable: NDArray[np.bool_],
    fwhm_px: float,
    settings: DifferencingSettings,
) -> tuple[Image, float]:
    """Photon noise, registration scatter and PSF error; and that PSF error."""
    scatter = max(stars.scatter_px, settings.min_astrometric_noise_px)
    # The scatter is that of the offset between both images.
    each = scatter / np.sqrt(2)
    variance = matched.variance + noise.astrometric_variance(
        matched.flux_new, matched.flux_ref, each, each
    )
    measured = noise.psf_error(
        flux, matched.flux_ref, variance, ~usable, stars.x, stars.y, fwhm_px
    )
    error = max(measured or 0.0, settings.min_psf_error)
    static = noise.static_flux(matched.flux_new, matched.flux_ref, fwhm_px)
    return (variance + error**2 * static**2).astype(np.float32), error


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
