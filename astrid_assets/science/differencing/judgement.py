"""Whether a subtraction can be used: its numbers against the settings' limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.errors import Reason
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.numbers import reasons_and_flags
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.differencing.settings import DifferencingSettings

CORRELATED = 0.1  # resampling alone gives a reference up to so much
RATIO_DISAGREEMENT = 0.2  # stars against zero points; either has then gone wrong


def reasons_against(difference: Difference, settings: DifferencingSettings) -> tuple[Reason, ...]:
    """Name every limit that is broken; empty: the difference is accepted.

    Parameters
    ----------
    difference
        With its measured numbers.
    settings
        The limits.

    Returns
    -------
    reasons
        One per broken limit that rejects.
    """
    reasons, _ = reasons_and_flags(DIFFERENCE_NUMBERS, judged_values(difference), settings)
    return tuple(reasons)


def judged_values(difference: Difference) -> dict[str, float | None]:
    """Return what is judged, by the names of the declared numbers.

    Parameters
    ----------
    difference
        With its measured numbers.

    Returns
    -------
    values
        None where a number was not measured.
    """
    return {number.name: getattr(difference, number.name) for number in DIFFERENCE_NUMBERS}


def flags_of(
    difference: Difference,
    expected_ratio: float | None,
    factors: tuple[float, float],
    settings: DifferencingSettings,
) -> tuple[Reason, ...]:
    """Name what is unusual but does not reject the difference.

    Parameters
    ----------
    difference
        With its measured numbers.
    expected_ratio
        F_n / F_r by the zero points; None when either frame has none.
    factors
        Noise of science and reference on the scale of the PSF, over white noise.
    settings
        The limits.

    Returns
    -------
    flags
        What has no limit first, then one per broken limit that flags.
    """
    flags = []
    if max(abs(factor - 1) for factor in factors) > CORRELATED:
        flags.append(
            Reason(
                ReasonCode.CORRELATED_NOISE,
                f"on the scale of the PSF the frame's noise is {factors[0]:.2f} and "
                f"the reference's {factors[1]:.2f} of what their pixels say; used so",
                {"science": factors[0], "reference": factors[1]},
            )
        )
    if difference.sky_structure:
        flags.append(
            Reason(
                ReasonCode.STRUCTURED_SKY,
                "the skies differ by patches wider than the PSF, which add "
                f"{difference.sky_structure:.0%} to the variance of a flux: fringes, a "
                "flat field that changed, or sky guessed between crowded stars",
                {"sky_structure": difference.sky_structure},
            )
        )
    if difference.flux_ratio_change:
        flags.append(
            Reason(
                ReasonCode.FLUX_RATIO_CHANGES,
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
                    ReasonCode.FLUX_RATIO_DISAGREES,
                    f"stars give a flux ratio of {difference.flux_ratio:.3f}, the zero "
                    f"points {expected_ratio:.3f}",
                    {
                        "flux_ratio": difference.flux_ratio,
                        "expected": expected_ratio,
                    },
                )
            )
    _, declared = reasons_and_flags(DIFFERENCE_NUMBERS, judged_values(difference), settings)
    return (*flags, *declared)
