"""Whether a set of labelled cutouts is good enough to learn from.

The quality score is the worst of the set's parts (`dataset_parts`): a bad one cannot be
compensated by the others, and each that is below its limit is an issue with its reason.
What was not measured is named unknown and counts neither as good nor as bad.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.labelling.dataset_parts import (
    contradictory,
    measured_agreement,
    parts_of,
)
from astrid_assets.science.labelling.dataset_settings import DatasetQualitySettings
from astrid_assets.science.labelling.label_errors import suspect_labels
from astrid_assets.science.labelling.labelled_set import LabelledSet, ReviewEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ROUNDING = 1e-9  # a set at its limit is within it however the shares add up
NEARLY_ALL = 0.9
"""Share of the cutouts of one night or survey above which the report says so."""


@dataclass(frozen=True, kw_only=True)
class DataQualityReport:
    """What the gate measured; `issues` is empty when the set may be trained on.

    Attributes
    ----------
    anomaly_ratio
        Share of real labels.
    mix
        Share of real as training draws them.
    image_quality_score
        Mean quality of the cutouts; None: of none it is known.
    image_parts
        Mean of each part of it; None: unknown.
    label_consistency
        Mean agreement where several votes measured it, contradictions counted as 0.
    parts
        Each part of the quality on the common scale, 0.8 at its limit; None: unknown.
    measured
        What each part measured, in its own unit.
    unknown
        Names of parts and of image parts that nobody measured.
    splits
        Per split: rows of each class, and quartiles of the S/N.
    effective_nights, effective_surveys
        To how many equally frequent ones they come (exponential of the entropy).
    n_suspects
        Labels that are probably wrong.
    drift
        Distance from the version before, 0 to 1 each; None without one.
    notes
        What is worth knowing and blocks nothing.
    """

    total_samples: int
    anomaly_ratio: float
    mix: float
    image_quality_score: float | None
    image_parts: Mapping[str, float | None]
    label_consistency: float
    reviewed_fraction: float
    temporal_distribution: dict[str, int]
    survey_coverage: dict[str, int]
    quality_score: float
    issues: tuple[str, ...]
    parts: dict[str, float | None] = field(default_factory=dict)
    measured: dict[str, float | None] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    splits: dict[str, dict[str, float]] = field(default_factory=dict)
    effective_nights: float = 0.0
    effective_surveys: float = 0.0
    n_suspects: int = 0
    drift: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether a model may be trained on the set."""
        return not self.issues

    def as_dict(self) -> dict[str, object]:
        """Return the form kept in the catalogue's JSON columns."""
        texts = {name: list(getattr(self, name)) for name in ("issues", "unknown", "notes")}
        return {**asdict(self), **texts}


def measure_dataset_quality(
    samples: LabelledSet,
    settings: DatasetQualitySettings | None = None,
    *,
    evidence: ReviewEvidence | None = None,
    image_parts: Mapping[str, float | None] | None = None,
    drift: Mapping[str, float] | None = None,
) -> DataQualityReport:
    """Compare a labelled set with the gate's limits.

    Parameters
    ----------
    samples : (n,)
        All cutouts of the dataset, whatever their split.
    settings
        None: the default limits.
    evidence
        How their reviewers compare; None: unknown.
    image_parts
        Mean of each part of the image quality, from `StampQuality.summary`.
    drift
        Distance from the version before, from `drift_between`.

    Returns
    -------
    report
        Shares from 0 to 1, and the limits that are broken.
    """
    settings = settings or DatasetQualitySettings()
    image_parts = image_parts or {}
    if not len(samples):
        return _empty()
    parts = parts_of(samples, evidence or ReviewEvidence(), settings)
    scores = {name: part.score for name, part in parts.items()}
    score = min(value for value in scores.values() if value is not None)
    agreement = measured_agreement(samples)
    consistency = (float(agreement.mean()) if len(agreement) else 1.0) * (
        1 - float(contradictory(samples).mean())
    )
    issues = [
        part.reason
        for part in parts.values()
        if part.score is not None and part.score < settings.min_quality_score - ROUNDING
    ]
    if len(samples) < settings.min_samples:
        issues.insert(
            0,
            f"{len(samples)} labelled cutouts, at least {settings.min_samples} are needed: "
            "label more detections",
        )
    unknown = [name for name, part in parts.items() if part.score is None]
    unknown += [f"image: {name}" for name, value in image_parts.items() if value is None]
    n_suspects = 0
    if samples.probability is not None:
        n_suspects = len(suspect_labels(samples.probability, samples.is_real).rows)
    return DataQualityReport(
        total_samples=len(samples),
        anomaly_ratio=float(samples.is_real.mean()),
        mix=samples.mix,
        image_quality_score=parts["images"].value,
        image_parts=dict(image_parts),
        label_consistency=consistency,
        reviewed_fraction=parts["reviewed"].value or 0.0,
        temporal_distribution=_count(samples.night),
        survey_coverage=_count(samples.survey),
        quality_score=score,
        issues=tuple(issues),
        parts=scores,
        measured={name: part.value for name, part in parts.items()},
        unknown=tuple(unknown),
        splits=_splits(samples),
        effective_nights=_effective(samples.night),
        effective_surveys=_effective(samples.survey),
        n_suspects=n_suspects,
        drift=drift,
        notes=tuple(_notes(samples)),
    )


def _empty() -> DataQualityReport:
    return DataQualityReport(
        total_samples=0,
        anomaly_ratio=0.0,
        mix=0.0,
        image_quality_score=None,
        image_parts={},
        label_consistency=0.0,
        reviewed_fraction=0.0,
        temporal_distribution={},
        survey_coverage={},
        quality_score=0.0,
        issues=("there are no labelled cutouts: label some detections first",),
    )


def _splits(samples: LabelledSet) -> dict[str, dict[str, float]]:
    """Return counts of each class and quartiles of the S/N, per split."""
    if samples.split is None:
        return {}
    found: dict[str, dict[str, float]] = {}
    for name in sorted(set(samples.split.tolist())):
        inside = samples.split == name
        n_real = int(samples.is_real[inside].sum())
        row: dict[str, float] = {"real": n_real, "bogus": int(inside.sum()) - n_real}
        if samples.snr is not None:
            quartiles = np.percentile(np.abs(samples.snr[inside]), [25, 50, 75])
            row |= dict(zip(("snr_25", "snr_50", "snr_75"), quartiles.tolist(), strict=True))
        found[name] = row
    return found


def _notes(samples: LabelledSet) -> list[str]:
    notes = []
    for word, values in (("night", samples.night), ("survey", samples.survey)):
        name, count = Counter(values.tolist()).most_common(1)[0]
        if count > NEARLY_ALL * len(samples) and len(set(values.tolist())) > 1:
            notes.append(
                f"{count / len(samples):.0%} of the cutouts are of the {word} {name}: the others "
                "hardly count"
            )
        elif word == "night" and count == len(samples):
            notes.append(f"all cutouts are of the night {name}: seeing and faults of others lack")
    return notes


def _effective(values: NDArray[np.str_]) -> float:
    _, counts = np.unique(values, return_counts=True)
    share = counts / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _count(values: NDArray[np.str_]) -> dict[str, int]:
    return dict(sorted(Counter(values.tolist()).items()))
