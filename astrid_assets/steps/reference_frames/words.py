"""Why frames are in a reference or out of it, in words."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING

from astrid_assets.science.errors import NoReference
from astrid_assets.science.reference.selection import HARMFUL_FLAGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.errors import Reason
    from astrid_assets.science.reference.selection import RankedFrame, ReferenceChoice
    from astrid_assets.science.settings import ReferenceSettings

MAX_ROWS = 24
"""Rows of the ranking that are kept to be shown: the members come first."""

WORDS = {
    "date": "of nights after [reference] before",
    "path": "outside of [reference] paths",
    "excluded": "under [reference] exclude",
    "known_transient": "with known transients",
    "unmeasured": "without depth or coverage",
    "coverage": "that show too little of the field",
    "seeing": "too blurred",
    "depth": "too shallow",
    "enough": "less good than those taken",
    "too_few": "good",
}
"""What `RankedFrame.why_not` means, after a number of frames."""


def missing_reason(choice: ReferenceChoice, settings: ReferenceSettings, night: str) -> Reason:
    """Say why a night has no reference, and what a person can do about it."""
    codes = Counter(r.why_not or "" for r in choice.ranking)
    good = codes.pop("too_few", 0)
    told = ", ".join(f"{n} {WORDS[code]}" for code, n in sorted(codes.items()))
    remedies = ["run earlier nights first", "relax [reference] in the profile"]
    if not settings.later_nights:
        remedies.append("set later_nights = true there to take frames of later nights as well")
    if codes["known_transient"]:
        remedies.append("raise known_transient_reviewers there")
        remedies.append('set known_transients = "keep" there to use frames with known transients')
    return NoReference(
        f"{good} earlier good frames of this field and band before {night}, "
        f"{settings.min_frames} needed"
        + (f" ({told})" if told else "")
        + f"; {', or '.join(remedies)}",
        found=good,
        needed=settings.min_frames,
        **codes,
    ).reason


def ranking_told(name: str, considered: Sequence[RankedFrame]) -> dict[str, object]:
    """Return the ranking as it is shown: a table, and how many stayed out for what."""
    left_out = Counter(r.why_not for r in considered if r.why_not)
    table = [
        {
            "rank": r.rank,
            "frame": r.frame.path.rsplit("/", 1)[-1],
            "night": r.frame.night,
            "fwhm_px": _rounded(r.frame.fwhm_px),
            "limiting_mag": _rounded(r.frame.limiting_mag),
            "coverage": _rounded(r.frame.usable_coverage),
            "flags": ", ".join(sorted(r.frame.flags & HARMFUL_FLAGS)),
            "weight": _rounded(r.weight),
            "taken": "yes" if r.why_not is None else f"no: {WORDS[r.why_not]}",
        }
        for r in considered[:MAX_ROWS]
    ]
    told: dict[str, object] = {f"ranking {name}": table} if table else {}
    if left_out:
        told[f"left_out {name}"] = dict(sorted(left_out.items()))
    return told


def _rounded(value: float | None) -> float | None:
    return round(value, 3) if value is not None and isfinite(value) else None
