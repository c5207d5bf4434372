"""Whether a subtraction can be used: its numbers against the settings' limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.errors import Reason

if TYPE_CHECKING:
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.differencing.settings import DifferencingSettings

CORRELATED = 0.1  # resampling alone gives a reference up to so much
RATIO_DISAGREEMENT = 0.2  # stars against zero points; either has then gone wrong


def reasons_against(difference: Difference, settings: DifferencingSettings) -> tuple[Reason, ...]:
    """Name every limit that is broken; empty: the difference is accepted."""
    d, s = difference, settings
    tests = (
        (
            d.coverage < s.min_coverage,
            "low_coverage",
            (f"the reference covers {d.coverage:.0%} of the frame, {s.min_coverage:.0%} needed"),
            {"coverage": d.coverage, "limit": s.min_coverage},
        ),
        (
            max(d.flux_ratio, 1 / d.flux_ratio) > s.max_flux_ratio,
            "flux_ratio",
            (
                f"flux ratio {d.flux_ratio:.3g} to the reference, at most a factor "
                f"{s.max_flux_ratio:g} accepted: clouds or a wrong zero point"
            ),
            {"flux_ratio": d.flux_ratio, "limit": s.max_flux_ratio},
        ),
        (
            d.offset_px > s.max_offset_px,
            "misregistered",
            (
                f"stars lie {d.offset_px:.2f} px from where the WCS puts them, at most "
                f"{s.max_offset_px:g} px accepted"
            ),
            {"offset_px": d.offset_px, "limit": s.max_offset_px},
        ),
        (
            d.residual_power is not None and d.residual_power > s.max_residual_power,
            "residual_power",
            (
                f"constant stars leave {d.residual_power or 0:.0%} of their power, at "
                f"most {s.max_residual_power:.0%} accepted: wrong PSFs or registration"
            ),
            {
                "residual_power": d.residual_power or 0.0,
                "limit": s.max_residual_power,
            },
        ),
        (
            not d.std_score <= s.max_std_score,
            "noisy_score",
            (
                f"scatter of the score on blank sky {d.std_score:.2f} sigma, at most "
                f"{s.max_std_score:g}: a bad subtraction"
            ),
            {"std_score": d.std_score, "limit": s.max_std_score},
        ),
        (
            d.std_score < s.min_std_score,
            "overestimated_noise",
            (
                f"scatter of the score on blank sky {d.std_score:.2f} sigma, at least "
                f"{s.min_std_score:g}: the variances are too large"
            ),
            {"std_score": d.std_score, "limit": s.min_std_score},
        ),
    )
    return tuple(
        Reason(code, message, numbers) for broken, code, message, numbers in tests if broken
    )


def flags_of(
    difference: Difference,
    expected_ratio: float | None,
    factors: tuple[float, float],
    settings: DifferencingSettings,
) -> tuple[Reason, ...]:
    """Name what is odd but no ground for rejection.

    Parameters
    ----------
    expected_ratio
        F_n / F_r by the zero points; None when either frame has none.
    factors
        Noise of science and reference on the scale of the PSF, over white noise.
    """
    flags = []
    if max(abs(factor - 1) for factor in factors) > CORRELATED:
        flags.append(
            Reason(
                "correlated_noise",
                f"on the scale of the PSF the frame's noise is {factors[0]:.2f} and "
                f"the reference's {factors[1]:.2f} of what their pixels say; used so",
                {"science": factors[0], "reference": factors[1]},
            )
        )
    if difference.sky_structure:
        flags.append(
            Reason(
                "structured_sky",
                "the skies differ by patches wider than the PSF, which add "
                f"{difference.sky_structure:.0%} to the variance of a flux: fringes, a "
                "flat field that changed, or sky guessed between crowded stars",
                {"sky_structure": difference.sky_structure},
            )
        )
    if difference.flux_ratio_change:
        flags.append(
            Reason(
                "flux_ratio_changes",
                "the flux ratio changes by "
                f"{difference.flux_ratio_change:.0%} over the frame, which was "
                "corrected: thin clouds, extinction, or a flat field that changed",
                {"flux_ratio_change": difference.flux_ratio_change},
            )
        )
    if expected_ratio is not None:
        relative = difference.flux_ratio / expected_ratio
        if abs(relative - 1) > RATIO_DISAGREEMENT:
            flags.append(
                Reason(
                    "flux_ratio_disagrees",
                    f"stars give a flux ratio of {difference.flux_ratio:.3f}, the zero "
                    f"points {expected_ratio:.3f}",
                    {
                        "flux_ratio": difference.flux_ratio,
                        "expected": expected_ratio,
                    },
                )
            )
    return (*flags, *_warnings(difference, settings))


def _warnings(difference: Difference, settings: DifferencingSettings) -> tuple[Reason, ...]:
    """Name every limit beyond which a person should look."""
    d, s = difference, settings
    tests = (
        (
            d.psf_error >= s.max_psf_error,
            "poor_psf_match",
            (
                f"bright stars leave {d.psf_error:.1%} of their flux: a PSF is wrong "
                "or varies over the frame"
            ),
            {"psf_error": d.psf_error, "limit": s.max_psf_error},
        ),
        (
            d.coverage < s.warn_coverage,
            "partial_coverage",
            f"the reference covers only {d.coverage:.0%} of the frame",
            {"coverage": d.coverage, "limit": s.warn_coverage},
        ),
        (
            d.n_stars < s.warn_stars,
            "few_stars",
            f"{d.n_stars} common stars gave flux ratio and registration",
            {"n_stars": float(d.n_stars), "limit": float(s.warn_stars)},
        ),
        (
            d.flux_ratio_scatter > s.warn_ratio_scatter,
            "flux_ratio_scatter",
            (
                f"the stars' flux ratios scatter by {d.flux_ratio_scatter:.1%}: thin "
                "clouds, or a flat field that changed"
            ),
            {"scatter": d.flux_ratio_scatter, "limit": s.warn_ratio_scatter},
        ),
        (
            d.astrometric_noise_px > s.warn_astrometric_noise_px,
            "astrometric_noise",
            (f"stars scatter by {d.astrometric_noise_px:.2f} px per axis about the registration"),
            {
                "astrometric_noise_px": d.astrometric_noise_px,
                "limit": s.warn_astrometric_noise_px,
            },
        ),
    )
    return tuple(
        Reason(code, message, numbers) for broken, code, message, numbers in tests if broken
    )
