"""Gates of the subtraction: each number of a night's differences against its limits.

A limit that holds back fails only when no frame of the night is inside it: frames
outside are rejected one by one, and a night that lost some of them goes on. A limit
that warns fails as soon as one frame is outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from astrid_assets.science.quality.gates import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from astrid_assets.science.differencing.settings import DifferencingSettings

    Limits = Callable[[DifferencingSettings], tuple[float, float]]

NONE = math.inf
MAX_RATIO_APART = 0.03
"""Of both methods' fluxes of bright changes; right pairs stay within 0.003."""

RATIO_SIGMA = 3.0  # of the error of the ratio, granted beyond it
MIN_CHANGES = 3  # fewer bright changes tell no ratio
MIN_AGREEING = 0.9
"""Of the places where both methods agree within the errors; right pairs: 0.99."""


@dataclass(frozen=True)
class FrameGate:
    """A claim about one number of every difference.

    Attributes
    ----------
    gate
        Its name in the catalogue and in Dagster.
    number
        Attribute of `Difference`, column of its row.
    limits
        Lowest and highest value inside, from the settings.
    """

    gate: str
    number: str
    claim: str
    limits: Limits
    holds_back: bool


FRAME_GATES = (
    FrameGate(
        "coverage",
        "coverage",
        "The reference covers enough of the frames to work on.",
        lambda s: (s.min_coverage, NONE),
        holds_back=True,
    ),
    FrameGate(
        "ample_coverage",
        "coverage",
        "The reference covers most of what there is.",
        lambda s: (s.warn_coverage, NONE),
        holds_back=False,
    ),
    FrameGate(
        "score_noise",
        "std_score",
        "std(S_corr) on blank sky is near 1.",
        lambda s: (s.min_std_score, s.max_std_score),
        holds_back=True,
    ),
    FrameGate(
        "residual_power",
        "residual_power",
        "Constant stars vanish.",
        lambda s: (-NONE, s.max_residual_power),
        holds_back=True,
    ),
    FrameGate(
        "psf_match",
        "psf_error",
        "Bright stars leave little of their flux.",
        lambda s: (-NONE, s.max_psf_error),
        holds_back=False,
    ),
    FrameGate(
        "stars_used",
        "n_stars",
        "Enough stars gave flux ratio and registration.",
        lambda s: (s.min_stars, NONE),
        holds_back=True,
    ),
    FrameGate(
        "ample_stars",
        "n_stars",
        "So many stars that one wrong one does no harm.",
        lambda s: (s.warn_stars, NONE),
        holds_back=False,
    ),
    FrameGate(
        "flux_ratio",
        "flux_ratio",
        "Frame and reference are comparably deep.",
        lambda s: (1 / s.max_flux_ratio, s.max_flux_ratio),
        holds_back=True,
    ),
    FrameGate(
        "flux_ratio_scatter",
        "flux_ratio_scatter",
        "The stars agree on a flux ratio.",
        lambda s: (-NONE, s.warn_ratio_scatter),
        holds_back=False,
    ),
    FrameGate(
        "astrometric_offset",
        "offset_px",
        "Stars lie where the WCS puts them.",
        lambda s: (-NONE, s.max_offset_px),
        holds_back=True,
    ),
    FrameGate(
        "astrometric_scatter",
        "astrometric_noise_px",
        "They scatter little about it.",
        lambda s: (-NONE, s.warn_astrometric_noise_px),
        holds_back=False,
    ),
)

METHODS_AGREE = "methods_agree"


def judge_differences(
    rows: Sequence[Mapping[str, object]], settings: DifferencingSettings
) -> tuple[Verdict, ...]:
    """Judge a night by every gate of the table.

    Parameters
    ----------
    rows
        One per frame with each gate's `number`; None where it was not measured.
    """
    return tuple(
        over_frames(
            gate.gate,
            [float(str(row[gate.number])) for row in rows if row[gate.number] is not None],
            gate.limits(settings),
            holds_back=gate.holds_back,
        )
        for gate in FRAME_GATES
    )


def over_frames(
    gate: str, values: Sequence[float], limits: tuple[float, float], *, holds_back: bool
) -> Verdict:
    """Judge a night's frames by one number of each; the worst one is the value."""
    lowest, highest = limits
    outside = sum(not lowest <= value <= highest for value in values)
    worst = max(values, key=lambda value: _badness(value, limits), default=None)
    fails = bool(values) and (outside == len(values) if holds_back else outside > 0)
    detail = f"{outside} of {len(values)} differences outside the limit"
    if values:
        detail += f"; typical {median(values):.4g}, worst {worst:.4g}"
    if holds_back and outside:
        detail += "; those outside are rejected one by one"
    return Verdict(
        gate,
        passed=not fails,
        holds_back=holds_back,
        value=worst,
        limit=_limit(lowest, highest),
        detail=detail,
    )


def methods_agree(
    checks: Iterable[Mapping[str, object]], settings: DifferencingSettings
) -> Verdict:
    """Both methods see the same sky; the worst difference at stars is the value.

    Fails too when fluxes of bright changes, or more than a tenth of all places, differ.

    Parameters
    ----------
    checks
        As `CrossCheck.numbers` gives them, or ``{"failure": …}``.
    """
    checks = list(checks)
    told = [check for check in checks if "failure" not in check]
    wrong = [words for check in told for words in _disagreements(check, settings)]
    at_stars = [v for v in (_number(c, "star_difference") for c in told) if v is not None]
    ratios = [v for v in (_number(c, "flux_ratio") for c in told) if v is not None]
    detail = f"{len(told)} differences made twice"
    if at_stars:
        detail += f"; constant stars differ by {median(at_stars):.2%} of their flux"
    if ratios:
        detail += f"; bright changes have {median(ratios):.4f} of the flux"
    detail += "".join(f"; {words}" for words in wrong)
    failures = [str(check["failure"]) for check in checks if "failure" in check]
    if failures:
        detail += f"; not compared: {failures[0]}"
    return Verdict(
        METHODS_AGREE,
        passed=not wrong,
        holds_back=False,
        value=max(at_stars, default=None),
        limit=f"<= {settings.max_method_difference:g} of a star's flux",
        detail=detail,
    )


def _disagreements(check: Mapping[str, object], settings: DifferencingSettings) -> list[str]:
    difference = _number(check, "star_difference")
    ratio, agreeing = _number(check, "flux_ratio"), _number(check, "agreeing")
    said = []
    if difference is not None and difference > settings.max_method_difference:
        said.append(f"{difference:.1%} at stars: a PSF is wrong, or the kernel's fit")
    enough = (_number(check, "n_changes") or 0) >= MIN_CHANGES
    chance = RATIO_SIGMA * (_number(check, "flux_ratio_err") or 0.0)
    if ratio is not None and enough and abs(ratio - 1) > MAX_RATIO_APART + chance:
        said.append(f"fluxes of changes differ by a factor {ratio:.3f}")
    if agreeing is not None and agreeing < MIN_AGREEING:
        said.append(f"only {agreeing:.0%} of the places agree within the errors")
    return said


def _number(check: Mapping[str, object], name: str) -> float | None:
    value = check.get(name)
    return None if value is None else float(str(value))


def _badness(value: float, limits: tuple[float, float]) -> float:
    """Order values by how far they are towards a limit, or beyond it."""
    if math.isnan(value):
        return math.inf
    if math.isinf(limits[1]):
        return -value
    if math.isinf(limits[0]):
        return value
    return abs(math.log(value)) if value > 0 else math.inf


def _limit(lowest: float, highest: float) -> str:
    if math.isinf(highest):
        return f">= {lowest:g}"
    if math.isinf(lowest):
        return f"<= {highest:g}"
    return f"{lowest:g} to {highest:g}"
