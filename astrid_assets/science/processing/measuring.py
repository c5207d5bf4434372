"""From a raw or calibrated frame to a measured one, without use of other frames.

The frame is calibrated, its bad pixels are marked, its sky is subtracted, and noise, stars
and PSF are measured. What a field's anchor adds (WCS, zero point) is in `solving`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.calibration.masters import sampled_median
from astrid_assets.science.errors import FrameRejected, Reason, TooFewStars
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.masking.bright_stars import halos_and_edges
from astrid_assets.science.masking.cosmic_rays import find_cosmic_rays
from astrid_assets.science.masking.defects import (
    bleeding_pixels,
    grown_saturation,
    impossible_pixels,
    missing_pixels,
    saturated_pixels,
    with_bit,
)
from astrid_assets.science.masking.fill_values import fill_marked
from astrid_assets.science.masking.saturated_hits import mark_saturated_hits
from astrid_assets.science.masking.trails import find_trails, trail_mask
from astrid_assets.science.processing.measuring_kernels import subtract_sky, without_noise
from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.quality.frame_numbers import BAD_FRACTION
from astrid_assets.science.quality.frame_quality import FrameQuality, judge
from astrid_assets.science.quality.noise_pattern import NoisePattern, noise_pattern
from astrid_assets.science.quality.numbers import reasons_and_flags
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.sky.background import Background, measure_background
from astrid_assets.science.stars.measurement import measure_stars, typical_shape, with_psf_fluxes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.calibration.masters import Masters
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.settings import ProcessingSettings
    from astrid_assets.science.stars.star_list import Stars

log = logging.getLogger(__name__)
GOOD_SNR = 5.0
VARIANCE_FLOOR = 1e-3
LIGHT_REACH_PX, LIGHT_SIGMA = 2, 2.0
"""Light is significant where its mean over 5 x 5 pixels exceeds this many of its sigma."""
NOISE_RATIO = (0.85, 1.2)
"""Noise over its prediction; a gain that is wrong by a third changes it this much."""


HOPELESS = (
    ReasonCode.LINE_NOISE,
    ReasonCode.NOISE_WAVE,
    ReasonCode.SKY_NEAR_SATURATION,
    ReasonCode.MISSING_DATA,
)
"""Where several of these causes apply, the first in this order is named: it explains the rest."""


@dataclass(frozen=True, kw_only=True)
class MeasuredFrame:
    """A frame and all that can be measured on it alone.

    Attributes
    ----------
    frame
        Sky-subtracted, with mask, variance, PSF and sky noise; WCS still the
        header's.
    stars
        Brightest first, PSF fluxes.
    n_stars
        Unflagged stars with S/N above 5.
    fwhm_px : pixels
        FWHM of the PSF at the centre of the frame.
    elongation
        Median axis ratio a/b of the stars.
    sky_level_e, sky_rms_e : electrons per pixel
        Typical level of the sky before it was subtracted, and its noise.
    bad_fraction
        Fraction of pixels without usable data, 0 to 1.
    numbers
        Declared numbers of the sky and its noise, by name; NaN where one is unknown.
    sky_gradient_e : electrons
        Largest difference of the sky over the frame.
    noise_ratio
        Scatter of the sky over what gain and read noise predict for a raw frame;
        NaN for calibrated ones, whose sky may have been subtracted.
    reasons, flags
        Limits broken, as far as the frame alone shows.
    """

    frame: Frame
    stars: Stars
    n_stars: int
    fwhm_px: float
    elongation: float
    sky_level_e: float
    sky_rms_e: float
    bad_fraction: float
    numbers: Mapping[str, float]
    sky_gradient_e: float = float("nan")
    noise_ratio: float = float("nan")
    reasons: tuple[Reason, ...] = ()
    flags: tuple[Reason, ...] = ()

    @property
    def quality(self) -> FrameQuality:
        """The numbers known without an anchor."""
        return FrameQuality(
            n_stars=self.n_stars,
            fwhm_px=self.fwhm_px,
            elongation=self.elongation,
            sky_level_e=self.sky_level_e,
            sky_rms_e=self.sky_rms_e,
            bad_fraction=self.bad_fraction,
            others=self.numbers,
        )


def measure_frame(
    frame: Frame, masters: Masters | None, settings: ProcessingSettings
) -> MeasuredFrame:
    """Calibrate and mask a frame, subtract its sky, measure its stars and PSF.

    The noise of the sky is measured on the frame, so frames whose sky was already
    subtracted get the right variance too; sources add their Poisson noise ::

        variance = rms² + light / flat

    where light is significant (positive noise is not light). The flat enters because
    light that was divided by it corresponds to fewer photons than it seems.

    Parameters
    ----------
    frame
        In electrons, as the survey's reader delivers it.
    masters
        For raw frames; None for calibrated ones.
    settings
        Which steps are done, and the limits.

    Returns
    -------
    measured
        With reasons and flags as far as the frame alone shows them.

    Raises
    ------
    FrameRejected
        When nothing can be measured; the code is the cause found first
        (missing_data, saturated, constant, line_noise, noise_wave, sky_near_saturation,
        too_few_stars).
    ShapeMismatch
        If a master has another shape.
    """
    # Calibration would give filled pixels values of their own.
    frame = replace(frame, mask=fill_marked(frame.data, frame.mask, frame.saturation_e))
    if masters is not None:
        frame = calibrate(frame, masters)
    data, mask = missing_pixels(frame.data, frame.mask)
    frame = replace(frame, data=data)  # releases the array with its missing pixels
    mask = saturated_pixels(data, mask, frame.saturation_e)
    _require_data(mask, settings)
    sky = measure_background(data, _unusable(mask), settings.background_mesh_px)
    marked = mark_saturated_hits(data, impossible_pixels(data, mask, sky), sky)
    marked = grown_saturation(bleeding_pixels(data, marked, sky))
    pattern = noise_pattern(data - sky.level, sky.rms, _unusable(mask))
    _stop_if_hopeless(_early_quality(marked, sky, pattern, frame.saturation_e), settings)
    mask = _with_trails(data, marked, sky) if settings.mask_trails else marked
    if mask is not marked:
        # A trail raised the sky around it; what else was marked did not.
        sky = measure_background(data, _unusable(mask), settings.background_mesh_px)
    flat = None if masters is None else masters.flat
    frame = _subtracted(frame, data, mask, sky, flat)
    level_e, gradient_e = sky.level_e, sky.gradient_e
    numbers = _sky_numbers(sky, pattern, frame.saturation_e)
    # Finding stars takes the most memory; the sky's maps are not needed for it.
    del data, mask, marked, sky
    if settings.remove_cosmic_rays:
        # Their criterion needs the variance with each pixel's own Poisson noise.
        found = find_cosmic_rays(frame.data, _variance(frame), _unusable(frame.mask))
        frame = replace(frame, mask=with_bit(frame.mask, found, MaskBit.COSMIC_RAY))
    _forget_noise(frame, flat)
    stars = measure_stars(frame)
    measured = replace(
        _with_psf(frame, stars, level_e, numbers, settings), sky_gradient_e=gradient_e
    )
    if masters is None:
        return measured
    return _with_noise_ratio(measured, masters)


def _unusable(mask: Mask) -> NDArray[np.bool_]:
    return (mask & UNUSABLE) != 0


def _bad_fraction(mask: Mask) -> float:
    return float(np.mean(_unusable(mask)))


def _require_data(mask: Mask, settings: ProcessingSettings) -> None:
    """Reject frames with too many missing or saturated pixels."""
    bad = _bad_fraction(mask)
    reasons, _ = reasons_and_flags([BAD_FRACTION], {BAD_FRACTION.name: bad}, settings)
    for reason in reasons:
        full = float(np.mean((mask & MaskBit.SATURATED) != 0))
        raise FrameRejected(
            ReasonCode.SATURATED if full > bad / 2 else reason.code,
            f"{full:.0%} of the pixels are saturated; {reason.message}",
            **reason.measurements,
            saturated_fraction=full,
        )


def _sky_numbers(sky: Background, pattern: NoisePattern, saturation_e: float) -> dict[str, float]:
    """Return the declared numbers of the sky and its noise; NaN: unknown."""
    is_known = np.isfinite(saturation_e)
    return {
        "sky_fraction": sky.level_e / saturation_e if is_known else float("nan"),
        "sky_gradient": sky.gradient_e / sky.rms_e,
        **pattern.numbers(),
    }


def _early_quality(
    mask: Mask, sky: Background, pattern: NoisePattern, saturation_e: float
) -> FrameQuality:
    """Return the numbers known before stars are measured."""
    return FrameQuality(
        n_stars=0,
        fwhm_px=float("nan"),
        elongation=float("nan"),
        sky_level_e=sky.level_e,
        sky_rms_e=sky.rms_e,
        bad_fraction=_bad_fraction(mask),
        others=_sky_numbers(sky, pattern, saturation_e),
    )


def _stop_if_hopeless(quality: FrameQuality, settings: ProcessingSettings) -> None:
    """Reject a frame whose detector failed, before its noise is mistaken for stars."""
    reasons, _ = judge(quality, settings)
    order = {code: rank for rank, code in enumerate(HOPELESS)}
    fatal = sorted((r for r in reasons if r.code in order), key=lambda r: order[r.code])
    if fatal:
        raise FrameRejected(fatal[0].code, fatal[0].message, **fatal[0].measurements)


def _with_trails(data: Image, mask: Mask, sky: Background) -> Mask:
    """Mark satellite trails."""
    trails = find_trails(data - sky.level, sky.rms, _unusable(mask))
    if not trails:
        return mask
    on_trail = trail_mask(trails, (data.shape[0], data.shape[1]))
    return with_bit(mask, on_trail, MaskBit.TRAIL)


def _subtracted(
    frame: Frame, data: Image, mask: Mask, sky: Background, flat: Image | None
) -> Frame:
    """Subtract the sky and give every pixel its variance, in one pass."""
    light, variance = np.empty_like(data), np.empty_like(data)
    nothing = np.empty((0, 0), dtype=np.float32)
    in_bands(
        partial(
            subtract_sky,
            data,
            mask,
            sky.level,
            sky.rms,
            nothing if flat is None else flat,
            int(MaskBit.NO_DATA),
            VARIANCE_FLOOR * sky.rms_e**2,
            light,
            variance,
        ),
        data.shape[0],
    )
    return replace(frame, data=light, mask=mask, variance=variance, sky_rms_e=sky.rms_e, psf=None)


def _with_noise_ratio(measured: MeasuredFrame, masters: Masters) -> MeasuredFrame:
    """Compare the scatter of the sky with what the detector's numbers predict.

    A ratio other than 1 indicates a wrong gain or read noise, which nothing else on a
    frame shows; it is flagged and changes nothing, because the noise is measured.
    """
    frame = measured.frame
    dark = 0.0 if masters.dark is None else sampled_median(masters.dark)
    expected = max(measured.sky_level_e, 0.0) + dark * frame.exposure_s
    ratio = measured.sky_rms_e / np.sqrt(expected + frame.read_noise_e**2)
    low, high = NOISE_RATIO
    flags = measured.flags
    if not low <= ratio <= high:
        text = (
            f"the sky is {ratio:.2f} times as noisy as gain and read noise predict: "
            "one of them is wrong in the profile, or the noise is not white"
        )
        flags = (*flags, Reason(ReasonCode.NOISE_RATIO, text, {"ratio": float(ratio)}))
    return replace(measured, noise_ratio=float(ratio), flags=flags)


def _forget_noise(frame: Frame, flat: Image | None) -> None:
    """Remove from the variance, in place, the photons that are only positive noise."""
    response = np.empty((0, 0), dtype=np.float32) if flat is None else flat
    in_bands(
        partial(
            without_noise,
            frame.data,
            response,
            LIGHT_REACH_PX,
            LIGHT_SIGMA,
            _variance(frame),
        ),
        frame.shape[0],
    )


def _variance(frame: Frame) -> Image:
    if frame.variance is None:
        raise ValueError(f"{frame.frame_id} has no variance yet")
    return frame.variance


def _with_psf(
    frame: Frame,
    stars: Stars,
    sky_level_e: float,
    numbers: Mapping[str, float],
    settings: ProcessingSettings,
) -> MeasuredFrame:
    """Measure the PSF, convert the stars' fluxes to it, and check the limits."""
    try:
        psf = fit_psf(frame, stars)
    except TooFewStars as error:
        raise FrameRejected(
            ReasonCode.TOO_FEW_STARS,
            f"{len(stars)} stars found, of which {error.measurements['found']:.0f} "
            f"can show the PSF, {error.measurements['needed']:.0f} needed",
            found=len(stars),
            needed=error.measurements["needed"],
        ) from error
    sky_rms_e = frame.sky_rms_e or 0.0
    mask = halos_and_edges(frame.mask, psf.fwhm_px, frame.data, sky_rms_e)
    frame = replace(frame, psf=psf, mask=mask)
    stars = with_psf_fluxes(stars, frame)
    _, elongation = typical_shape(stars)
    good = (stars.flag == 0) & (stars.flux > GOOD_SNR * stars.flux_err)
    measured = MeasuredFrame(
        frame=frame,
        stars=stars,
        n_stars=int(np.count_nonzero(good)),
        fwhm_px=psf.fwhm_px,
        elongation=elongation,
        sky_level_e=sky_level_e,
        sky_rms_e=sky_rms_e,
        bad_fraction=_bad_fraction(frame.mask),
        numbers=numbers,
    )
    reasons, flags = judge(measured.quality, settings)
    log.info(
        "measured %s: %d stars, FWHM %.2f px, sky %.1f +- %.2f e-",
        frame.frame_id,
        measured.n_stars,
        psf.fwhm_px,
        sky_level_e,
        sky_rms_e,
    )
    return replace(measured, reasons=tuple(reasons), flags=tuple(flags))
