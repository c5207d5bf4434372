"""Limits of a dataset's quality: light, for Dagster's launchpad."""

from pydantic import Field

from astrid_assets.science.settings import Settings

REVIEWED_SOURCES = ("person", "truth", "catalogue", "import")
"""Sources that can know. Others (``survey_score``: another network's opinion,
``unreviewed``: the detector's own) count only where a setting names them."""


class DatasetQualitySettings(Settings):
    """Limits that a dataset must keep before a model is trained on it."""

    min_samples: int = Field(
        default=50,
        ge=2,
        description="fewer labelled cutouts than this teach a network nothing",
    )
    min_per_class: int = Field(
        default=20, ge=1, description="labelled cutouts that each class needs, whatever the mix"
    )
    min_anomaly_ratio: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of real, as they count in training, below which a set is one-sided; "
        "a survey with one real in 200 passes by min_class_weight, or with 0.004 here",
    )
    max_anomaly_ratio: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="share of real, as they count in training, above which a set is one-sided; "
        "public alerts (94 % real) pass by min_class_weight, or with 0.97 here",
    )
    min_image_quality: float = Field(
        default=0.7, ge=0, le=1, description="mean quality of the cutouts and their frames"
    )
    min_reviewed: float = Field(
        default=0.5, ge=0, le=1, description="share of the labels from a source that can know"
    )
    trusted_sources: list[str] = Field(
        default=list(REVIEWED_SOURCES), description="label sources that can know"
    )
    min_mean_agreement: float = Field(
        default=0.8,
        gt=0.5,
        lt=1,
        description="mean agreement of the labels that several votes made",
    )
    min_reviewer_accuracy: float = Field(
        default=0.8,
        gt=0.5,
        lt=1,
        description="share of repeats and of known candidates that reviewers must get right",
    )
    min_kappa: float = Field(
        default=0.4, gt=0, lt=1, description="agreement of reviewers beyond chance (Fleiss)"
    )
    max_contradictory: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="share of cutouts whose pixels also have the other label",
    )
    min_distinct: float = Field(
        default=0.7, gt=0, lt=1, description="share of cutouts that repeat no other one's pixels"
    )
    max_label_errors: float = Field(
        default=0.2,
        gt=0,
        lt=0.5,
        description="estimated share of labels that do not follow from the pixels",
    )
    max_given_away: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="share of the labels' variance that the survey's name explains",
    )
    min_quality_score: float = Field(
        default=0.8, ge=0, le=1, description="of the worst part of the set"
    )
