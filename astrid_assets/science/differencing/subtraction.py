"""The subtraction: register, scale, match and judge, one frame against one reference.

`subtract` calls its steps in order; each formula has its own module. What makes a
difference unusable is a reason stored with it; what makes it impossible is raised.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
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
from astrid_assets.science.differencing.mask_growth import grow_mask
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
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.registration.resampling import fill_masked, resample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.differencing.filters import Axes, PowerOn
    from astrid_assets.science.differencing.matched import Matched
    from astrid_assets.science.differencing.prepared import Prepared
    from astrid_assets.science.differencing.settings import DifferencingSettings
    from astrid_assets.science.differencing.star_fit import CommonStars
    from astrid_assets.science.frame import Frame

LIMIT_SIGMA = 5.0

log = logging.getLogger(__name__)


def subtract(
    science: Frame, reference: Frame | Prepared, settings: DifferencingSettings
) -> Difference:
    """Subtract a reference from a frame (ZOGY); the score is in sigma.

    Parameters
    ----------
    science, reference : (ny, nx) and (my, mx), electrons
        Processed: background-subtracted, with variance, PSF and WCS. A reference that
        is `Prepared` keeps what was measured on it for the next frame.
    settings
        Method, limits, and the error terms assumed until bright stars show them.

    Returns
    -------
    difference : (ny, nx), electrons of the science frame
        On the pixels of the science frame, with the reasons that make it unusable
        and the flags that make it doubtful.

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
    pair = _registered(prepared(science), prepared(reference), settings)
    powers = _noise_powers(pair)
    matched = _matched(pair, powers, settings)
    scored = _scored(pair, matched, settings)
    difference, factors = _difference(pair, powers, matched, scored)
    frame, stack = pair.science.frame, pair.reference.frame
    log.info(
        "subtracted %s - %s: %d stars, flux ratio %.3f, offset %.2f px, std %.3f",
        frame.frame_id,
        stack.frame_id,
        len(pair.stars),
        pair.stars.ratio.level,
        pair.stars.offset_px,
        difference.std_score,
    )
    return replace(
        difference,
        reasons=reasons_against(difference, settings),
        flags=flags_of(difference, _ratio_by_zero_points(frame, stack), factors, settings),
    )


@dataclass(frozen=True)
class _Pair:
    """Both images on the pixels of the science frame, in its electrons, (ny, nx).

    `data`, `variances` and `sigmas` (noise of blank sky) are pairs, of science and reference;
    pixels are interpolated where `filled` is True. `reference_bits` is the mask of the
    resampled reference, `bits` the grown mask of both, and `usable` True where it allows use.
    """

    science: Prepared
    reference: Prepared
    registered_psf: RegisteredPsf
    stars: CommonStars
    data: tuple[Image, Image]
    variances: tuple[Image, Image]
    sigmas: tuple[float, float]
    reference_bits: Mask
    bits: Mask
    usable: NDArray[np.bool_]
    filled: NDArray[np.bool_]

    @property
    def fwhm_px(self) -> float:
        """FWHM of the science PSF."""
        return self.science.psf.fwhm_px


@dataclass(frozen=True)
class _Scored:
    """The significance of every pixel, (ny, nx), and what it was derived from.

    `sample` holds indices of blank sky, into the flattened image.
    """

    terms: noise.ErrorTerms
    flux: Image
    flux_err: Image
    score: Image
    structure: float
    sample: NDArray[np.intp]


def _registered(science: Prepared, reference: Prepared, settings: DifferencingSettings) -> _Pair:
    """Resample and scale the reference, and match the sky of the science image to it."""
    frame = science.frame
    stars = measure_common_stars(science, reference, settings.min_stars)
    reference_data, reference_variance, reference_bits = resample(
        reference.frame.data,
        reference.variance,
        reference.frame.mask,
        stars.mapping,
        frame.shape,
        reference.spline,
    )
    bits = _union_mask(frame.mask, reference_bits, science.psf.fwhm_px, settings)
    usable = (bits & UNUSABLE) == 0
    if not usable.any():
        raise FrameRejected(ReasonCode.NO_OVERLAP, "frame and reference share no good pixel")

    # Both images are filled where either is masked, so that a star behind a bad
    # pixel loses the same light in both.
    filled = ((frame.mask | reference_bits) & UNUSABLE) != 0
    science_data = fill_masked(frame.data, filled)
    ratio = stars.ratio.on_frame()
    reference_data = fill_masked(reference_data * ratio, filled)
    # The variances too: those of bad pixels do not describe their neighbours.
    variances = (
        fill_masked(science.variance, filled),
        fill_masked(reference_variance * ratio**2, filled),
    )
    sigmas = noise.sky_sigma(variances[0], usable), noise.sky_sigma(variances[1], usable)
    registered_psf = RegisteredPsf(reference.psf, stars.mapping)
    science_data = science_data - sky_difference(
        science_data,
        reference_data,
        science.psf.centre,
        registered_psf.centre,
        ~usable,
        float(np.hypot(*sigmas)),
    )
    return _Pair(
        science=science,
        reference=reference,
        registered_psf=registered_psf,
        stars=stars,
        data=(science_data, reference_data),
        variances=variances,
        sigmas=sigmas,
        reference_bits=reference_bits,
        bits=bits,
        usable=usable,
        filled=filled,
    )


def _noise_powers(pair: _Pair) -> tuple[PowerOn, PowerOn]:
    """Return the spectra of both images' noise; the reference's after resampling."""
    of_science = measure_spectrum(pair.data[0], pair.sigmas[0], ~pair.filled, pair.fwhm_px)

    def resampled(shape: tuple[int, int]) -> Axes:
        own = pair.reference.spectrum.axes(shape)
        smoothing = pair.registered_psf.noise_axes(shape)
        return own[0] * smoothing[0], own[1] * smoothing[1]

    return of_science.axes, resampled


def _matched(
    pair: _Pair, powers: tuple[PowerOn, PowerOn], settings: DifferencingSettings
) -> Matched:
    """Subtract and filter by the method of the settings."""
    science_stamps, reference_stamps, _ = local_psfs(
        pair.science.psfs_at,
        pair.registered_psf.at,
        pair.science.frame.shape,
        settings.psf_tolerance,
    )
    noises = Noises(*pair.sigmas, *powers)
    if settings.method == "kernel":
        blurs = matching_blurs(
            *pair.data,
            pair.variances[0] + pair.variances[1],
            pair.usable,
            pair.stars.x,
            pair.stars.y,
            science_stamps,
            (pair.fwhm_px, pair.reference.psf.fwhm_px),
        )
        return match_blurred(*pair.data, blurs, *pair.variances, noises)
    return match(*pair.data, science_stamps, reference_stamps, *pair.variances, noises)


def _scored(pair: _Pair, matched: Matched, settings: DifferencingSettings) -> _Scored:
    """Add to the photon noise what registration, PSF and structure of the sky add."""
    stars, fwhm_px = pair.stars, pair.fwhm_px
    terms = noise.measure_terms(
        matched,
        pair.usable,
        stars.x,
        stars.y,
        fwhm_px,
        noise.ErrorTerms(
            # The scatter is that of the offset between both images.
            max(stars.scatter_px, settings.assumed_astrometric_noise_px) / np.sqrt(2),
            settings.assumed_psf_error,
        ),
    )
    flux, flux_err, score = noise.score_of(matched, pair.usable, terms, fwhm_px)
    blank = noise.blank_sky(matched.flux_reference, flux_err, matched.variance, pair.usable)
    structure = structure_share(matched.flux, matched.variance, blank, fwhm_px)
    sample = noise.sample_of(blank)
    if structure:
        typical = float(np.median(matched.variance.ravel()[sample]))
        flux_err = np.hypot(flux_err, np.float32(np.sqrt(structure * typical)))
        score = np.divide(flux, flux_err)
    return _Scored(terms, flux, flux_err, score, structure, sample)


def _difference(
    pair: _Pair, powers: tuple[PowerOn, PowerOn], matched: Matched, scored: _Scored
) -> tuple[Difference, tuple[float, float]]:
    """Gather images and numbers, unjudged; also both images' PSF noise factors."""
    stars, sample, frame, wcs = pair.stars, scored.sample, pair.science.frame, pair.science.wcs
    blank_scores = scored.score.ravel()[sample]
    reference_rms = mad_sigma(pair.data[1].ravel()[sample])
    factors = (
        psf_factor(pair.science.psf.centre, powers[0]),
        psf_factor(pair.registered_psf.centre, powers[1]),
    )
    difference = Difference(
        frame_id=frame.frame_id,
        reference_id=pair.reference.frame.frame_id,
        d=matched.d,
        score=scored.score,
        flux=scored.flux,
        flux_err=scored.flux_err,
        mask=pair.bits,
        registered_reference=pair.data[1],
        psf_d=matched.psf_d,
        psf_d_changes=matched.psf_d_changes,
        wcs=wcs,
        zero_point_mag=frame.zero_point_mag,
        std_score=mad_sigma(blank_scores),
        flux_ratio=stars.ratio.level,
        flux_ratio_change=stars.ratio.change,
        flux_ratio_scatter=stars.ratio_scatter,
        n_stars=len(stars),
        offset_px=stars.offset_px,
        astrometric_noise_px=scored.terms.jitter_px * np.sqrt(2),
        psf_error=scored.terms.psf_error,
        sky_structure=scored.structure,
        sky_rms_e=mad_sigma(pair.data[0].ravel()[sample]),
        reference_rms_e=reference_rms,
        noise_factor=factors[1] * pair.sigmas[1] / reference_rms,
        coverage=_coverage(frame.mask, pair.reference_bits),
        limiting_mag=_limiting_mag(
            frame.zero_point_mag, scored.flux_err.ravel()[noise.sample_of(pair.usable)]
        ),
        residual_power=noise.residual_power(matched, pair.usable, stars.x, stars.y, pair.fwhm_px),
        area_deg2=float(proj_plane_pixel_area(wcs.celestial) * pair.usable.sum()),
        evidence=gather(stars, matched, blank_scores),
    )
    return difference, factors


def _union_mask(
    science_bits: Mask, reference_bits: Mask, fwhm_px: float, settings: DifferencingSettings
) -> Mask:
    """Return the bits of both, grown; EDGE where less than a full PSF lies in the frame."""
    bits = grow_mask(science_bits | reference_bits, settings.mask_growth_fwhm * fwhm_px)
    border = max(1, round(fwhm_px))
    inner = np.zeros(bits.shape, dtype=bool)
    inner[border:-border, border:-border] = True
    bits[~inner] |= np.uint16(MaskBit.EDGE)
    return bits


def _coverage(science_bits: Mask, reference_bits: Mask) -> float:
    """Return the share of the science frame's good pixels that are good in the reference too."""
    good = (science_bits & UNUSABLE) == 0
    both = good & ((reference_bits & UNUSABLE) == 0)
    return float(both.sum() / max(good.sum(), 1))


def _ratio_by_zero_points(science: Frame, reference: Frame) -> float | None:
    if science.zero_point_mag is None or reference.zero_point_mag is None:
        return None
    return 10 ** (0.4 * (science.zero_point_mag - reference.zero_point_mag))


def _limiting_mag(zero_point_mag: float | None, flux_err: Image) -> float | None:
    if zero_point_mag is None:
        return None
    faintest = LIMIT_SIGMA * float(np.median(flux_err))
    return zero_point_mag - 2.5 * float(np.log10(faintest))
