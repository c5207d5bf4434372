"""The words of `explain`: which fact decides about a frame, and how it is stated.

The order is that of the graph: what stopped a frame first is the reason it gives.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.quality.gate import value_in_words
from astrid_assets.steps.explain.explanation import NumberSaid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astrid_assets.science.quality.numbers import MeasuredNumber
    from astrid_assets.science.settings import Settings
    from astrid_assets.steps.explain.explanation import CandidateThere, ReasonSaid
    from astrid_assets.storage.database.tables.base import Base
    from astrid_assets.storage.database.tables.nights import GateVerdict

REJECTED_FOR = {
    "dipole": "it has a neighbour of the opposite sign, as a misregistered star has",
    "cosmic_ray": "it is sharper than the PSF, as a cosmic ray is",
    "trail": "it lies beside a satellite's trail",
    "halo": "it lies in the halo of a saturated star",
    "edge": "less than a full PSF lies on the frame",
    "masked": "too many pixels under it are unusable",
    "shape": "it is too wide or too elongated for a point source",
    "reference_hole": "the reference lies below the sky there",
    "bad_fit": "the PSF does not describe it",
    "overdensity": "one of many candidates close together: something else went wrong",
}
"""Why a candidate is no detection; a reason unknown here is shown by its name."""

OUTCOMES = {
    "detected": "detected",
    "rejected_candidate": "a candidate there failed a test",
    "below_threshold": "nothing above the threshold there",
    "unlisted": "above the threshold, but the peak lies elsewhere",
    "masked": "masked there",
    "held_back": "the night is blocked",
    "difference_rejected": "the subtraction was rejected",
    "no_difference": "not subtracted",
    "frame_rejected": "the frame was rejected",
    "not_processed": "not processed yet",
    "not_covered": "not covered",
}
"""Every outcome with its words in the summary."""


@dataclass(frozen=True)
class Facts:
    """What decides about one frame at the position."""

    status: str
    frame_reasons: list[ReasonSaid]
    is_processed: bool
    is_covered: bool | None
    has_difference: bool
    difference_reasons: list[ReasonSaid]
    masked_by: list[str]
    is_usable: bool
    held_back_by: list[str]
    peak_sigma: float | None
    threshold_sigma: float
    candidates: list[CandidateThere]


def verdict(facts: Facts) -> tuple[str, str]:
    """Return the outcome of a frame and the sentence that states it."""
    stopped = _stopped_before_subtraction(facts) or _stopped_after_it(facts)
    if stopped is not None:
        return stopped
    kept = [c for c in facts.candidates if c.is_kept]
    if kept:
        held = "; ".join(facts.held_back_by)
        told = f"; the night is blocked: {held}" if held else ""
        return "detected", _detected(kept[0]) + told
    if facts.candidates:
        first = facts.candidates[0]
        why = [REJECTED_FOR.get(name, name.replace("_", " ")) for name in first.reasons]
        return (
            "rejected_candidate",
            f"a candidate of {first.score_sigma:+.1f} sigma was dropped: " + "; ".join(why),
        )
    if not facts.is_usable:
        return "masked", "the pixel is unusable: " + _listed(facts.masked_by)
    peak = facts.peak_sigma or 0.0
    reaches = f"S_corr reaches {peak:+.1f} sigma within one FWHM"
    if abs(peak) >= facts.threshold_sigma:
        return "unlisted", f"{reaches}, but the peak of that source lies further away"
    return (
        "below_threshold",
        f"{reaches}; a candidate needs {facts.threshold_sigma:g}",
    )


def numbers(declared: Iterable[MeasuredNumber], row: Base, settings: Settings) -> list[NumberSaid]:
    """Return the declared numbers of a row, each with its words."""
    values = [(number, getattr(row, number.name)) for number in declared]
    return [
        NumberSaid(number.name, number.label, number.unit, value, number.in_words(value, settings))
        for number, value in values
    ]


def outcome_counts(outcomes: Sequence[str]) -> str:
    """Return how many frames ended how, the most informative first."""
    if not outcomes:
        return "no frame in the catalogue covers this position"
    counts = Counter(outcomes)
    told = [f"{counts[name]} {meaning}" for name, meaning in OUTCOMES.items() if counts[name]]
    frames = "1 frame" if len(outcomes) == 1 else f"{len(outcomes)} frames"
    return f"{frames}: " + "; ".join(told)


def gate(failed: GateVerdict) -> str:
    """Return a failed gate in words, with its value and limit."""
    value = value_in_words(failed.value, failed.limit)
    name = failed.gate.replace("_", " ")
    return f"{name} of {failed.asset} is {value}, limit {failed.limit}"


def is_usable(mask: int | None) -> bool:
    """Return whether a pixel's mask leaves its flux of use."""
    return not (mask or 0) & UNUSABLE


def _stopped_before_subtraction(facts: Facts) -> tuple[str, str] | None:
    held = "; ".join(facts.held_back_by)
    told = _told(facts.frame_reasons)
    stops = (
        (facts.status == "rejected", "frame_rejected", f"the file was refused: {told}"),
        (
            not facts.is_processed,
            "not_processed",
            "the frame has not been processed yet",
        ),
        (facts.is_covered is False, "not_covered", "the position lies outside the frame"),
        (bool(told), "frame_rejected", f"the frame was rejected: {told}"),
        (
            not facts.has_difference and bool(held),
            "held_back",
            f"the night was blocked before subtraction: {held}",
        ),
        (
            not facts.has_difference,
            "no_difference",
            "the frame has not been subtracted yet",
        ),
    )
    return next(((outcome, text) for is_so, outcome, text in stops if is_so), None)


def _stopped_after_it(facts: Facts) -> tuple[str, str] | None:
    if facts.difference_reasons:
        codes = {reason.code for reason in facts.difference_reasons}
        told = _told(facts.difference_reasons)
        if facts.peak_sigma is None or "no_reference" in codes:
            return "no_difference", f"the frame was not subtracted: {told}"
        return "difference_rejected", f"the subtraction was rejected: {told}"
    if facts.held_back_by and not facts.candidates:
        held = "; ".join(facts.held_back_by)
        return "held_back", f"the night is blocked: {held}"
    return None


def _detected(found: CandidateThere) -> str:
    sentence = f"{found.name} " if found.name else ""
    sentence += f"detected at {found.score_sigma:+.1f} sigma"
    if found.score is None:
        return sentence + "; not scored"
    if found.score_kind == "model":
        sentence += f", model score {found.score:.3f}"
    else:
        sentence += ", ranked by S/N alone (no model was deployed)"
    if found.label:
        sentence += f", labelled {found.label}"
        sentence += " on an earlier detection of it" if found.carried_from else ""
    return sentence


def _told(reasons: Sequence[ReasonSaid]) -> str:
    return "; ".join(reason.message for reason in reasons)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names) or "no reason kept"
