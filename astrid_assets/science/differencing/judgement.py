"""Whether a subtraction can be used: its numbers against the settings' limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.errors import Reason

if TYPE_CHECKING:
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.differencing.settings import DifferencingSettings

CORRELATED = 0.1  # resampling alone gives a reference up to so much
RATIO_DISAGREEMENT = 0.2  # stars against zero points; either has then gone wrong


def reasons_against(
    difference: Difference, settings: DifferencingSettings
) -> tuple[Reason, ...]:
    """Name every limit that is broken; empty: the difference is accepted."""
    d, s = difference, settings
    tests = (
        (
            d.coverage < s.min_coverage,
            "low_coverage",
            (
                f"the reference covers {d.coverage:.0%} of the frame, "
                f"{s.min_coverage:.0%} needed"
            ),
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
        Reason(code, message, numbers)
        for broken, code, message, numbers in tests
        if broken
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
    if difference.psf_error >= settings.max_psf_error:
        flags.append(
            Reason(
                "poor_psf_match",
                f"bright stars leave {difference.psf_error:.1%} of their flux: a PSF "
                "is wrong or varies over the frame",
                {"psf_error": difference.psf_error, "limit": settings.max_psf_error},
            )
        )
    return tuple(flags)
