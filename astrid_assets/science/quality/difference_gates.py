"""Gates of the subtraction: each declared limit on a night's differences.

A gate that blocks judges the night's best frame: frames outside the limit are rejected one by
one, and a night that lost some of them goes on. A gate that warns judges the worst
frame. So the value shown is always the one that decides. Limits and claims come from
the declared numbers (`difference_numbers`).
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.gate import Gate, Verdict
from astrid_assets.science.quality.numbers import (
    Limit,
    LimitSide,
    MeasuredNumber,
    Severity,
    gates_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from astrid_assets.science.differencing.settings import DifferencingSettings

ASSET = "difference_images"
MAX_RATIO_APART = 0.03
"""Largest departure from 1 of the ratio of both methods' fluxes of bright changes; right
pairs stay within 0.003."""

RATIO_SIGMA = 3.0  # of the error of the ratio, granted beyond it
MIN_CHANGES = 3  # fewer bright changes give no ratio
MIN_AGREEING = 0.9
"""Share of positions where both methods must agree within the errors; right pairs: 0.99."""


def _gate(number: MeasuredNumber, limit: Limit) -> Gate:
    blocks = limit.severity is Severity.REJECT
    which = "best frame" if blocks else "worst frame"
    return Gate(
        name=limit.gate,
        asset=ASSET,
        claim=limit.claim,
        number=f"{number.sentence.removesuffix('.')}, {which} of the night",
        blocks=blocks,
    )


FRAME_GATES = tuple(
    (_gate(number, limit), number, limit) for number, limit in gates_of(DIFFERENCE_NUMBERS)
)
METHODS_AGREE = Gate(
    name="methods_agree",
    asset=ASSET,
    claim="Both methods of subtraction give the same fluxes of constant stars.",
    number="median difference at constant stars over their flux, worst frame",
    blocks=False,
)
CHANGES_AGREE = Gate(
    name="changes_agree",
    asset=ASSET,
    claim="Both methods of subtraction give the same fluxes of bright changes.",
    number=f"flux ratio less 1, beyond {RATIO_SIGMA:g} of its errors, worst frame",
    blocks=False,
)
POSITIONS_AGREE = Gate(
    name="positions_agree",
    asset=ASSET,
    claim="Both methods of subtraction agree nearly everywhere within the errors.",
    number="fraction of positions that agree, worst frame",
    blocks=False,
)
METHOD_GATES = (METHODS_AGREE, CHANGES_AGREE, POSITIONS_AGREE)
DIFFERENCE_GATES = (*(gate for gate, _, _ in FRAME_GATES), *METHOD_GATES)


def judge_differences(
    rows: Sequence[Mapping[str, float | None]], settings: DifferencingSettings
) -> tuple[Verdict, ...]:
    """Judge a night by every gate of the table.

    Parameters
    ----------
    rows
        One per frame with each declared number; None where it was not measured.
    settings
        The limits.

    Returns
    -------
    verdicts
        One per gate.
    """
    verdicts = []
    for gate, number, limit in FRAME_GATES:
        bound = limit.value(settings)
        if bound is None:
            continue
        values = [float(v) for row in rows if (v := row[number.name]) is not None]
        verdicts.append(over_frames(gate, values, bound, limit.side))
    return tuple(verdicts)


def over_frames(gate: Gate, values: Sequence[float], bound: float, side: LimitSide) -> Verdict:
    """Judge a night's frames by one number of each: the best of them, or the worst.

    Parameters
    ----------
    gate
        One that blocks judges the best frame, one that warns the worst.
    values
        Values of the night's frames; NaN is outside every limit.
    bound, side
        The limit, which is inside.

    Returns
    -------
    verdict
        On the frame that decides; nothing to judge without frames.
    """
    worse = 1 if side is LimitSide.AT_MOST else -1
    ranked = sorted(values, key=lambda v: math.inf if math.isnan(v) else worse * v)
    outside = sum(not (v <= bound if side is LimitSide.AT_MOST else v >= bound) for v in values)
    detail = f"{outside} of {len(values)} differences outside the limit"
    if ranked:
        detail += f"; typical {median(values):.4g}, worst {ranked[-1]:.4g}"
    if gate.blocks and outside:
        detail += "; those outside are rejected one by one"
    value = (ranked[0] if gate.blocks else ranked[-1]) if ranked else None
    if side is LimitSide.AT_MOST:
        return gate.judge(value, at_most=bound, detail=detail)
    return gate.judge(value, at_least=bound, detail=detail)


def methods_agree(
    checks: Iterable[Mapping[str, object]], settings: DifferencingSettings
) -> tuple[Verdict, ...]:
    """Judge whether both methods of subtraction see the same sky.

    Parameters
    ----------
    checks
        As `CrossCheck.numbers` gives them, or ``{"failure": …}``.
    settings
        The limit at constant stars.

    Returns
    -------
    verdicts
        On constant stars, on bright changes, and on all positions; each on the worst
        frame, with nothing to judge where too little was compared.
    """
    checks = list(checks)
    compared = [check for check in checks if "failure" not in check]
    at_stars = _numbers(compared, "star_difference")
    agreeing = _numbers(compared, "agreeing")
    ratios = _numbers(compared, "flux_ratio")
    apart = [v for v in (_ratio_apart(check) for check in compared) if v is not None]
    detail = f"{len(compared)} differences made twice"
    failures = [str(check["failure"]) for check in checks if "failure" in check]
    if failures:
        detail += f"; not compared: {failures[0]}"
    stars = f"; constant stars differ by {median(at_stars):.2%} of their flux" if at_stars else ""
    changes = f"; bright changes have {median(ratios):.4f} of the flux" if ratios else ""
    return (
        METHODS_AGREE.judge(
            max(at_stars, default=None),
            at_most=settings.max_method_difference,
            detail=detail + stars,
        ),
        CHANGES_AGREE.judge(
            max(apart, default=None), at_most=MAX_RATIO_APART, detail=detail + changes
        ),
        POSITIONS_AGREE.judge(min(agreeing, default=None), at_least=MIN_AGREEING, detail=detail),
    )


def _ratio_apart(check: Mapping[str, object]) -> float | None:
    """Return how far the ratio of fluxes is from 1 beyond its error; at least 0."""
    ratio = _number(check, "flux_ratio")
    if ratio is None or (_number(check, "n_changes") or 0) < MIN_CHANGES:
        return None
    return max(abs(ratio - 1) - RATIO_SIGMA * (_number(check, "flux_ratio_err") or 0.0), 0.0)


def _numbers(checks: Sequence[Mapping[str, object]], name: str) -> list[float]:
    return [v for v in (_number(check, name) for check in checks) if v is not None]


def _number(check: Mapping[str, object], name: str) -> float | None:
    value = check.get(name)
    return None if value is None else float(str(value))
