"""Whether a set of labelled cutouts is good enough to learn from.

The quality score is the geometric mean of four shares, so that a bad one cannot be
compensated by the others: balance of the classes, sharpness of the images, agreement
of the labels, and how many were reviewed by a source that can know.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from astrid_assets.science.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

REVIEWED_SOURCES = ("person", "truth", "catalogue", "import")
"""Labels from elsewhere (``unreviewed``: the detector's own opinion) do not count as
reviewed."""


class DatasetQualitySettings(Settings):
    """Limits that a dataset must keep before a model is trained on it."""

    min_samples: int = Field(
        default=50,
        ge=2,
        description="fewer labelled cutouts than this teach a network nothing",
    )
    min_anomaly_ratio: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of real below which a set is one-sided",
    )
    max_anomaly_ratio: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="share of real above which a set is one-sided",
    )
    min_image_quality: float = Field(
        default=0.7, ge=0, le=1, description="mean quality score of the frames cut from"
    )
    min_quality_score: float = Field(
        default=0.8, ge=0, le=1, description="of the whole set, see dataset_quality"
    )


@dataclass(frozen=True, kw_only=True)
class LabelledSet:
    """What is known of each cutout of a dataset; every array has shape ``(n,)``.

    Attributes
    ----------
    is_real
        The label.
    agreement
        Share of the votes that agree with it, 0.5 to 1.
    image_quality
        Quality score of the frame, 0 to 1; NaN where the frame has none.
    source
        Who decided: person, truth, catalogue, import, or unreviewed.
    survey, night
        Survey and night of its frame.
    content_hash
        Hash of the cutout's pixels; the same pixels with two labels are a contradiction.
    """

    is_real: NDArray[np.bool_]
    agreement: NDArray[np.float64]
    image_quality: NDArray[np.float64]
    source: NDArray[np.str_]
    survey: NDArray[np.str_]
    night: NDArray[np.str_]
    content_hash: NDArray[np.str_]

    def __post_init__(self) -> None:
        sizes = {name: len(values) for name, values in vars(self).items()}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"the columns differ in length: {sizes}")

    def __len__(self) -> int:
        """Count the cutouts."""
        return len(self.is_real)


@dataclass(frozen=True, kw_only=True)
class DataQualityReport:
    """What the gate measured; `issues` is empty when the set may be trained on."""

    total_samples: int
    anomaly_ratio: float
    image_quality_score: float
    label_consistency: float
    reviewed_fraction: float
    temporal_distribution: dict[str, int]
    survey_coverage: dict[str, int]
    quality_score: float
    issues: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether a model may be trained on the set."""
        return not self.issues

    def as_dict(self) -> dict[str, object]:
        """Return the form kept in the catalogue's JSON columns."""
        return {**asdict(self), "issues": list(self.issues)}


def measure_dataset_quality(
    samples: LabelledSet, settings: DatasetQualitySettings | None = None
) -> DataQualityReport:
    """Compare a labelled set with the gate's limits.

    Parameters
    ----------
    samples : (n,)
        All cutouts of the dataset, whatever their split.
    settings
        None: the default limits.

    Returns
    -------
    report
        Shares from 0 to 1, and the limits that are broken.
    """
    settings = settings or DatasetQualitySettings()
    count = len(samples)
    if count == 0:
        return DataQualityReport(
            total_samples=0,
            anomaly_ratio=0.0,
            image_quality_score=0.0,
            label_consistency=0.0,
            reviewed_fraction=0.0,
            temporal_distribution={},
            survey_coverage={},
            quality_score=0.0,
            issues=("there are no labelled cutouts: label some detections first",),
        )
    ratio = float(samples.is_real.mean())
    # An unmeasured frame is no evidence of a good one.
    quality = float(np.nan_to_num(samples.image_quality, nan=0.0).mean())
    consistency = _label_consistency(samples)
    reviewed = float(np.isin(samples.source, REVIEWED_SOURCES).mean())
    score = float(np.prod([_balance(ratio), quality, consistency, reviewed]) ** (1 / 4))
    return DataQualityReport(
        total_samples=count,
        anomaly_ratio=ratio,
        image_quality_score=quality,
        label_consistency=consistency,
        reviewed_fraction=reviewed,
        temporal_distribution=_count(samples.night),
        survey_coverage=_count(samples.survey),
        quality_score=score,
        issues=_issues(count, ratio, quality, score, settings),
    )


def _balance(ratio: float) -> float:
    """Return 1 for half and half, 0.6 at one in ten, 0 when a class is missing.

    It is the scatter of the label relative to that of a balanced set.
    """
    return 2 * float(np.sqrt(ratio * (1 - ratio)))


def _label_consistency(samples: LabelledSet) -> float:
    """Return the mean agreement; pixels with two different labels count as 0."""
    _, member = np.unique(samples.content_hash, return_inverse=True)
    real = np.bincount(member, weights=samples.is_real)
    total = np.bincount(member)
    contradictory = ((real > 0) & (real < total))[member]
    return float(np.where(contradictory, 0.0, samples.agreement).mean())


def _issues(
    count: int,
    ratio: float,
    quality: float,
    score: float,
    settings: DatasetQualitySettings,
) -> tuple[str, ...]:
    issues = []
    if count < settings.min_samples:
        issues.append(
            f"{count} labelled cutouts, at least {settings.min_samples} are needed: "
            "label more detections"
        )
    if ratio < settings.min_anomaly_ratio:
        issues.append(
            f"only {ratio:.1%} are real (at least {settings.min_anomaly_ratio:.0%}): "
            "label more real detections"
        )
    if ratio > settings.max_anomaly_ratio:
        issues.append(
            f"{ratio:.1%} are real (at most {settings.max_anomaly_ratio:.0%}): label "
            "more bogus detections"
        )
    if quality < settings.min_image_quality:
        issues.append(
            f"mean image quality {quality:.2f} (at least "
            f"{settings.min_image_quality:.2f}): leave out the worst nights"
        )
    if score < settings.min_quality_score:
        issues.append(f"quality score {score:.2f} (at least {settings.min_quality_score:.2f})")
    return tuple(issues)


def _count(values: NDArray[np.str_]) -> dict[str, int]:
    return dict(sorted(Counter(values.tolist()).items()))
