"""Declared numbers of a processed frame, and the limits it has to keep.

Settings are those of the profile's section ``[processing]``; reasons and flags follow
from this table.

A limit rejects where a subtraction would give wrong candidates or none, and flags where
the frame can still be used. So a gradient of the sky flags: it is subtracted with the sky,
and the noise is measured where it is; the frame is only shallower on its bright side.
"""

from __future__ import annotations

from astrid_assets.science.quality.numbers import Limit, LimitSide, MeasuredNumber, Severity
from astrid_assets.science.reasons import ReasonCode

SECTION = "processing"

BAD_FRACTION = MeasuredNumber(
    name="bad_fraction",
    label="unusable pixels",
    keyword="BADFRAC",
    unit="fraction",
    section=SECTION,
    where="mask of the frame",
    sentence="Fraction of pixels without usable data.",
    finding="{value} of the pixels are unusable",
    limits=(
        Limit(
            side=LimitSide.AT_MOST,
            setting="max_bad_fraction",
            severity=Severity.REJECT,
            code=ReasonCode.MISSING_DATA,
            causes="a border without data, a damaged file, or saturation",
            risk="sky and PSF are measured on what is left",
        ),
    ),
)

DETECTOR_NUMBERS = (
    BAD_FRACTION,
    MeasuredNumber(
        name="sky_fraction",
        label="sky over saturation",
        keyword="SKYFRAC",
        unit="fraction",
        section=SECTION,
        where="level of the sky over the level of saturation",
        sentence="Fraction of saturation to which the sky fills the pixels.",
        finding="the sky fills the pixels to {value} of saturation",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_sky_fraction",
                severity=Severity.REJECT,
                code=ReasonCode.SKY_NEAR_SATURATION,
                causes="twilight, moonlight, or a wrong detector.saturation_adu",
                risk="stars saturate early and the response may not be linear",
            ),
        ),
    ),
    MeasuredNumber(
        name="sky_gradient",
        label="sky gradient",
        keyword="SKYGRAD",
        unit="sigma",
        section=SECTION,
        where="smooth map of the sky over its noise per pixel",
        sentence="Variation of the sky over the frame (2nd to 98th percentile), in sky noise "
        "per pixel.",
        finding="the sky varies by {value} over the frame",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_sky_gradient",
                severity=Severity.FLAG,
                code=ReasonCode.SKY_GRADIENT,
                causes="moonlight, twilight, scattered light, or a flat that does not fit",
            ),
        ),
    ),
    MeasuredNumber(
        name="line_noise",
        label="line noise",
        keyword="LINENOIS",
        unit="",
        section=SECTION,
        where="means of columns and rows of the blank sky",
        sentence="Scatter of column or row means over that of white noise.",
        finding="means of columns or rows scatter {value} times as much as white noise",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_noise_pattern",
                severity=Severity.REJECT,
                code=ReasonCode.LINE_NOISE,
                causes="a failing amplifier or readout, a missing flat or bias, or a border "
                "without light",
                risk="lines and borders give false candidates",
            ),
        ),
    ),
    MeasuredNumber(
        name="wave",
        label="noise wave",
        keyword="WAVE",
        unit="",
        section=SECTION,
        where="power spectrum of the blank sky",
        sentence="Amplitude of the strongest wave in the sky over the noise of a pixel.",
        finding="a wave of {value} times the noise lies over the frame",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_wave",
                severity=Severity.REJECT,
                code=ReasonCode.NOISE_WAVE,
                causes="electrical pickup, or fringes",
                risk="crests of the wave survive the matched filter",
            ),
            Limit(
                side=LimitSide.AT_MOST,
                setting="flag_wave",
                severity=Severity.FLAG,
                code=ReasonCode.NOISE_WAVE,
                causes="electrical pickup",
                unless=(ReasonCode.NOISE_WAVE, ReasonCode.LINE_NOISE),
            ),
        ),
    ),
    MeasuredNumber(
        name="ripple",
        label="noise ripple",
        keyword="RIPPLE",
        unit="",
        section=SECTION,
        where="strips of 16 pixels of the blank sky",
        sentence="Scatter of 16-pixel strips over that of white noise.",
        finding="strips of 16 pixels scatter {value} times as much as white noise",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="flag_noise_pattern",
                severity=Severity.FLAG,
                code=ReasonCode.NOISE_RIPPLE,
                causes="electrical pickup or banding",
                unless=(ReasonCode.NOISE_WAVE, ReasonCode.LINE_NOISE),
            ),
        ),
    ),
)

STAR_NUMBERS = (
    MeasuredNumber(
        name="n_stars",
        label="stars",
        keyword="NSTARS",
        unit="stars",
        section=SECTION,
        where="stars found on the frame",
        sentence="Stars that were found and measured.",
        finding="{value} were found",
        limits=(
            Limit(
                side=LimitSide.AT_LEAST,
                setting="min_stars",
                severity=Severity.REJECT,
                code=ReasonCode.TOO_FEW_STARS,
                causes="clouds, a short exposure, or an empty field",
                risk="PSF and astrometry may be those of noise",
            ),
        ),
    ),
    MeasuredNumber(
        name="fwhm_px",
        label="FWHM",
        keyword="FWHM",
        unit="px",
        section=SECTION,
        where="PSF in the centre of the frame",
        sentence="FWHM of the PSF.",
        finding="stars are {value} wide",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_fwhm_px",
                severity=Severity.REJECT,
                code=ReasonCode.WIDE_STARS,
                causes="defocus, or a pixel scale finer than expected",
                risk="none where the pixel scale is fine; a defocused PSF is hard to model",
            ),
        ),
    ),
    MeasuredNumber(
        name="fwhm_ratio",
        label="FWHM over anchor's",
        keyword="FWHMRAT",
        unit="",
        section=SECTION,
        where="FWHM over that of the field's anchor",
        sentence="FWHM of the frame over that of the field's anchor.",
        finding="stars are {value} times as wide as those of the field's anchor",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_fwhm_ratio",
                severity=Severity.REJECT,
                code=ReasonCode.DEFOCUSED,
                causes="defocus, poor seeing, or trailing",
                risk="the frame is shallow, and its PSF may be hard to model",
            ),
            Limit(
                side=LimitSide.AT_MOST,
                setting="poor_seeing_ratio",
                severity=Severity.FLAG,
                code=ReasonCode.POOR_SEEING,
                # Trailing widens stars too, and the air is not to blame for it.
                unless=(
                    ReasonCode.DEFOCUSED,
                    ReasonCode.WIDE_STARS,
                    ReasonCode.ELONGATED_STARS,
                ),
            ),
        ),
    ),
    MeasuredNumber(
        name="elongation",
        label="elongation",
        keyword="ELONG",
        unit="",
        section=SECTION,
        where="median of the stars",
        sentence="Ratio of the long to the short axis of the stars (median).",
        finding="stars are {value} times as long as wide",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_elongation",
                severity=Severity.REJECT,
                code=ReasonCode.ELONGATED_STARS,
                causes="trailing, wind, or coma",
                risk="positions and fluxes along the trail are less certain",
            ),
            Limit(
                side=LimitSide.AT_MOST,
                setting="flag_elongation",
                severity=Severity.FLAG,
                code=ReasonCode.ELONGATED_STARS,
                causes="trailing or bad guiding",
                unless=(ReasonCode.ELONGATED_STARS,),
            ),
        ),
    ),
)

FIELD_NUMBERS = (
    MeasuredNumber(
        name="transparency",
        label="transparency",
        keyword="TRANSPAR",
        unit="fraction",
        section=SECTION,
        where="stars common with the field's anchor",
        sentence="Fraction of the light of the field's anchor that came through.",
        finding="{value} of the light of the field's anchor came through",
        limits=(
            Limit(
                side=LimitSide.AT_LEAST,
                setting="min_transparency",
                severity=Severity.REJECT,
                code=ReasonCode.LOW_TRANSPARENCY,
                causes="clouds, dew, or an obstructed beam",
                risk="the frame is shallow, and clouds are rarely even",
            ),
        ),
    ),
    MeasuredNumber(
        name="astrometric_rms_px",
        label="astrometric residual",
        keyword="ASTRMS",
        unit="px",
        section=SECTION,
        where="stars matched with the field's anchor, per axis",
        sentence="Residual of the matched stars, per axis.",
        finding="matched stars scatter by {value}",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_astrometric_rms_px",
                severity=Severity.REJECT,
                code=ReasonCode.BAD_ASTROMETRY,
                causes="a wrong match, or distortion that the stars do not support",
                risk="stars leave dipoles on the difference",
            ),
        ),
    ),
    MeasuredNumber(
        name="sky_rms_ratio",
        label="sky noise over anchor's",
        keyword="SKYRMSRA",
        unit="",
        section=SECTION,
        where="sky noise over the anchor's, per square root of exposure",
        sentence="Noise of the sky over that of the field's anchor.",
        finding="the sky is {value} times as noisy as in the field's anchor",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="flag_sky_rms_ratio",
                severity=Severity.FLAG,
                code=ReasonCode.BRIGHT_SKY,
            ),
        ),
    ),
)

FRAME_NUMBERS = (*DETECTOR_NUMBERS, *STAR_NUMBERS, *FIELD_NUMBERS)
