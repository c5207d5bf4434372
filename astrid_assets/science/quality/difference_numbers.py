"""Declared numbers of a difference: what the subtraction measures, and its limits.

Settings are those of the profile's section ``[differencing]``; reasons, flags and the
night's gates follow from this table.
"""

from __future__ import annotations

from astrid_assets.science.quality.numbers import Limit, LimitSide, MeasuredNumber, Severity
from astrid_assets.science.reasons import ReasonCode

SECTION = "differencing"

DIFFERENCE_NUMBERS = (
    MeasuredNumber(
        name="coverage",
        unit="fraction",
        section=SECTION,
        where="good pixels of the registered reference",
        sentence="Fraction of the frame that the reference covers.",
        finding="the reference covers {value} of the frame",
        limits=(
            Limit(
                side=LimitSide.AT_LEAST,
                setting="min_coverage",
                severity=Severity.REJECT,
                code=ReasonCode.LOW_COVERAGE,
                causes="another pointing, or a reference with large gaps",
                risk="too few stars may be left for flux ratio and registration",
                gate="coverage",
                claim="The reference covers enough of the frames to work on.",
            ),
            Limit(
                side=LimitSide.AT_LEAST,
                setting="warn_coverage",
                severity=Severity.FLAG,
                code=ReasonCode.PARTIAL_COVERAGE,
                gate="ample_coverage",
                claim="The reference covers most of what there is.",
            ),
        ),
    ),
    MeasuredNumber(
        name="flux_ratio",
        unit="",
        section=SECTION,
        where="common stars of science and reference",
        sentence="Flux ratio F_n / F_r of science and reference.",
        finding="flux ratio {value} to the reference",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_flux_ratio",
                severity=Severity.REJECT,
                code=ReasonCode.FLUX_RATIO,
                causes="clouds on the reference, or a wrong zero point",
                risk="the shallow image decides how deep the difference is",
                gate="flux_ratio",
                claim="The science frame is not much deeper than the reference.",
            ),
            Limit(
                side=LimitSide.AT_LEAST,
                setting="max_flux_ratio",
                inverse=True,
                severity=Severity.REJECT,
                code=ReasonCode.FLUX_RATIO,
                causes="clouds on the science frame, or a wrong zero point",
                risk="the shallow image decides how deep the difference is",
                gate="least_flux_ratio",
                claim="The science frame is not much shallower than the reference.",
            ),
        ),
    ),
    MeasuredNumber(
        name="offset_px",
        unit="px",
        section=SECTION,
        where="common stars after registration by the WCS",
        sentence="Offset of the stars from where the WCS puts them.",
        finding="stars lie {value} from where the WCS puts them",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_offset_px",
                severity=Severity.REJECT,
                code=ReasonCode.MISREGISTERED,
                causes="a wrong WCS",
                risk="stars may be matched to their neighbours",
                gate="astrometric_offset",
                claim="Stars lie where the WCS puts them.",
            ),
        ),
    ),
    MeasuredNumber(
        name="residual_power",
        unit="fraction",
        section=SECTION,
        where="constant stars on the difference",
        sentence="Power that constant stars leave, over theirs in the science frame.",
        finding="constant stars leave {value} of their power",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_residual_power",
                severity=Severity.REJECT,
                code=ReasonCode.RESIDUAL_POWER,
                causes="wrong PSFs or registration",
                risk="every bright star may give a false candidate",
                gate="residual_power",
                claim="Constant stars vanish.",
            ),
        ),
    ),
    MeasuredNumber(
        name="std_score",
        unit="sigma",
        section=SECTION,
        where="S_corr on blank sky",
        sentence="Standard deviation of S_corr on blank sky; 1 when the noise is right.",
        finding="S_corr scatters by {value} on blank sky",
        nan_breaks=True,
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_std_score",
                severity=Severity.REJECT,
                code=ReasonCode.NOISY_SCORE,
                causes="a failed subtraction, structure in the sky, or variances too small",
                risk="the number of false candidates grows steeply with this scatter",
                gate="score_noise",
                claim="S_corr scatters no more on blank sky than noise does.",
            ),
            Limit(
                side=LimitSide.AT_LEAST,
                setting="min_std_score",
                severity=Severity.REJECT,
                code=ReasonCode.OVERESTIMATED_NOISE,
                causes="variances too large: gain or read noise",
                risk="faint transients are missed",
                unless=(ReasonCode.NOISY_SCORE,),
                gate="score_noise_floor",
                claim="S_corr scatters on blank sky as much as noise does.",
            ),
        ),
    ),
    MeasuredNumber(
        name="psf_error",
        unit="fraction",
        section=SECTION,
        where="bright constant stars on the difference",
        sentence="PSF residual of bright stars over their flux.",
        finding="bright stars leave {value} of their flux",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="max_psf_error",
                severity=Severity.FLAG,
                code=ReasonCode.POOR_PSF_MATCH,
                causes="a wrong PSF, or one that varies over the frame",
                gate="psf_match",
                claim="Bright stars leave little of their flux.",
            ),
        ),
    ),
    MeasuredNumber(
        name="n_stars",
        unit="stars",
        section=SECTION,
        where="stars of science and reference that match",
        sentence="Common stars that gave flux ratio and registration.",
        finding="{value} gave flux ratio and registration",
        limits=(
            Limit(
                side=LimitSide.AT_LEAST,
                setting="min_stars",
                severity=Severity.REJECT,
                code=ReasonCode.TOO_FEW_STARS,
                causes="clouds, or an empty field",
                risk="flux ratio and registration may be those of one wrong star",
                gate="stars_used",
                claim="Enough stars gave flux ratio and registration.",
            ),
            Limit(
                side=LimitSide.AT_LEAST,
                setting="warn_stars",
                severity=Severity.FLAG,
                code=ReasonCode.FEW_STARS,
                gate="ample_stars",
                claim="So many stars that one wrong one does no harm.",
            ),
        ),
    ),
    MeasuredNumber(
        name="flux_ratio_scatter",
        unit="fraction",
        section=SECTION,
        where="common stars of science and reference",
        sentence="Relative scatter of the stars' flux ratios.",
        finding="the stars' flux ratios scatter by {value}",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="warn_ratio_scatter",
                severity=Severity.FLAG,
                code=ReasonCode.FLUX_RATIO_SCATTER,
                causes="thin clouds, or a flat field that changed",
                gate="flux_ratio_scatter",
                claim="The stars agree on a flux ratio.",
            ),
        ),
    ),
    MeasuredNumber(
        name="astrometric_noise_px",
        unit="px",
        section=SECTION,
        where="common stars after registration",
        sentence="Scatter of the stars about the registration, per axis.",
        finding="stars scatter by {value} per axis about the registration",
        limits=(
            Limit(
                side=LimitSide.AT_MOST,
                setting="warn_astrometric_noise_px",
                severity=Severity.FLAG,
                code=ReasonCode.ASTROMETRIC_NOISE,
                gate="astrometric_scatter",
                claim="They scatter little about it.",
            ),
        ),
    ),
)
