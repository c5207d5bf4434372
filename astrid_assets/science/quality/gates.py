"""Data-quality gates: pure verdicts over what was measured, with value and limit.

A gate judges numbers that an asset measured; it computes no science. Assets keep the
verdicts in the catalogue, where the next asset reads which frames and nights to leave
out; `checks` shows the same verdicts in Dagster. The gates of the subtraction, one
for each number of a difference, are in `difference_gates`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.arrays.intervals import upper_bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_REJECTED_FRACTION = 0.5  # more than half of a night lost: a person should look
MIN_AGREEMENT = 0.8  # of reviewers on labelled detections
ANOMALY_RATIO = (0.1, 0.9)  # share of real labels in a training set (requirements)
MIN_IMAGE_QUALITY = 0.7  # requirements
MIN_QUALITY_SCORE = 0.8  # requirements
MIN_TEST_SAMPLES = 30  # fewer test samples decide nothing


@dataclass(frozen=True)
class Verdict:
    """What a gate found: `value` against `limit`.

    `holds_back` says what a failure does: True keeps the night (or the model) from
    going on, False only warns. A gate with nothing to judge passes with no value.
    """

    gate: str
    passed: bool
    holds_back: bool
    value: float | None
    limit: str
    detail: str


def frames_arrived(registered: int, rejected: int) -> Verdict:
    """The night has frames, and the door accepted at least one of them."""
    total = registered + rejected
    return Verdict(
        "frames_arrived",
        passed=total == 0 or registered > 0,
        holds_back=False,
        value=float(registered),
        limit=">= 1 of those found",
        detail=f"{registered} frames registered, {rejected} refused at the door",
    )


def frame_quality(accepted: int, rejected: Sequence[str]) -> Verdict:
    """At least one light frame of the night is good enough to subtract.

    Parameters
    ----------
    accepted
        Number of accepted light frames.
    rejected
        First reason code of every rejected light frame.
    """
    total = accepted + len(rejected)
    return Verdict(
        "frame_quality",
        passed=total == 0 or accepted > 0,
        holds_back=True,
        value=float(accepted),
        limit=">= 1 accepted frame",
        detail=f"{accepted} of {total} frames accepted{_counted(rejected)}",
    )


def rejected_fraction(accepted: int, rejected: Sequence[str]) -> Verdict:
    """Most of the night's frames are usable."""
    total = accepted + len(rejected)
    fraction = len(rejected) / total if total else None
    return Verdict(
        "rejected_fraction",
        passed=fraction is None or fraction <= MAX_REJECTED_FRACTION,
        holds_back=False,
        value=fraction,
        limit=f"<= {MAX_REJECTED_FRACTION:g}",
        detail=f"{len(rejected)} of {total} frames rejected{_counted(rejected)}",
    )


def completeness(
    found: int, total: int, failures: int, minimum: float, snr: tuple[float, float]
) -> Verdict:
    """Injected transients of this significance come back, as far as their number says.

    Fails only when even the upper end of the 95 % interval lies below the limit: a
    dozen injections that lost two by chance hold nobody up. Fails too when injected
    frames could not be subtracted or searched at all, which tells nothing else.
    """
    return Verdict(
        "completeness",
        passed=not failures and (total == 0 or upper_bound(found, total) >= minimum),
        holds_back=False,
        value=found / total if total else None,
        limit=f">= {minimum:g}",
        detail=f"{found} of {total} injected transients of S/N {snr[0]:g} to "
        f"{snr[1]:g} found" + (f"; {failures} injected frames gave no answer" if failures else ""),
    )


def reference_is_clean(holes: Sequence[str]) -> Verdict:
    """No source is missing on every frame: the reference holds nothing of its own.

    Parameters
    ----------
    holes
        Positions (right ascension and declination in words) of persistent holes.
    """
    return Verdict(
        "reference_is_clean",
        passed=not holes,
        holds_back=False,
        value=float(len(holes)),
        limit="0",
        detail=f"{len(holes)} places are dark by the same amount on nearly every "
        "frame: sources that only the reference has"
        + (f" ({'; '.join(holes[:5])})" if holes else ""),
    )


def candidate_density(kept: int, area_deg2: float, highest: float) -> Verdict:
    """Fewer kept candidates per square degree than a bad subtraction leaves."""
    density = kept / area_deg2 if area_deg2 > 0 else None
    return Verdict(
        "candidate_density",
        passed=density is None or density <= highest,
        holds_back=True,
        value=density,
        limit=f"<= {highest:g} per square degree",
        detail=f"{kept} kept candidates on {area_deg2:.5f} square degrees",
    )


def label_agreement(agreements: Sequence[float]) -> Verdict:
    """Reviewers of the same detections mostly agree."""
    value = sum(agreements) / len(agreements) if agreements else None
    return Verdict(
        "label_agreement",
        passed=value is None or value >= MIN_AGREEMENT,
        holds_back=True,
        value=value,
        limit=f">= {MIN_AGREEMENT:g}",
        detail=f"mean agreement over {len(agreements)} labelled detections",
    )


def label_balance(
    real: int, bogus: int, *, holds_back: bool, limits: tuple[float, float]
) -> Verdict:
    """Both classes are present in the labels."""
    total = real + bogus
    ratio = real / total if total else None
    return Verdict(
        "label_balance",
        passed=ratio is None or limits[0] <= ratio <= limits[1],
        holds_back=holds_back,
        value=ratio,
        limit=f"{limits[0]:g} to {limits[1]:g}",
        detail=f"{real} real, {bogus} bogus",
    )


def dataset_quality(score: float, image_quality: float, issues: Iterable[str]) -> Verdict:
    """The dataset's quality score and image quality reach the required limits."""
    return Verdict(
        "dataset_quality",
        passed=score >= MIN_QUALITY_SCORE and image_quality >= MIN_IMAGE_QUALITY,
        holds_back=True,
        value=score,
        limit=f">= {MIN_QUALITY_SCORE:g} (image quality >= {MIN_IMAGE_QUALITY:g})",
        detail=f"image quality {image_quality:.2f}; " + ("; ".join(issues) or "no issues"),
    )


def evaluation_floor(roc_auc: float, floor: float, n_test: int, snr_roc_auc: float) -> Verdict:
    """The model separates real from bogus on enough unseen samples."""
    return Verdict(
        "evaluation_floor",
        passed=roc_auc >= floor and n_test >= MIN_TEST_SAMPLES,
        holds_back=True,
        value=roc_auc,
        limit=f">= {floor:g} on >= {MIN_TEST_SAMPLES} test samples",
        detail=f"ROC AUC {roc_auc:.4f} on {n_test} test samples; "
        f"plain S/N ranking {snr_roc_auc:.4f}",
    )


def held_back_by(verdicts: Iterable[Verdict]) -> list[str]:
    """Return the names of the gates that hold the night back."""
    return [v.gate for v in verdicts if v.holds_back and not v.passed]


def _counted(codes: Sequence[str]) -> str:
    counts: Mapping[str, int] = Counter(codes)
    if not counts:
        return ""
    return " (" + ", ".join(f"{n} {code}" for code, n in sorted(counts.items())) + ")"
