"""Limits of the health of models, surveys, labels and datasets; light, for Dagster's launchpad."""

from pydantic import Field

from astrid_assets.science.settings import Settings


class HealthSettings(Settings):
    """From when a number of the health is reported."""

    level: float = Field(
        default=0.01,
        ge=0.001,
        lt=0.5,
        description="chance that errors, purity or calibration of a model that has not changed are "
        "reported, for each of them in all looks at 400 random items",
    )
    max_ms_per_cutout: float = Field(
        default=20.0, gt=0, description="time to score a cutout, milliseconds"
    )
    max_frames_age_d: float = Field(
        default=14.0, gt=0, description="time since frames of a survey last came, days"
    )
    survey_over_after_d: float = Field(
        default=60.0,
        gt=0,
        description="time without new frames after which a survey is taken to be over, days",
    )
    max_search_delay_d: float = Field(
        default=3.0,
        gt=0,
        description="time that a night with frames waits for its first search, days: the daily "
        "schedule and a weekend",
    )
    max_backlog: int = Field(default=20_000, ge=0, description="detections that wait for reviewers")
    min_kappa: float = Field(
        default=0.4, gt=0, lt=1, description="agreement of reviewers beyond chance (Fleiss)"
    )
    max_label_age_d: float = Field(
        default=30.0, gt=0, description="age of the newest answer of a reviewer, days"
    )
    min_quality_score: float = Field(
        default=0.8, ge=0, le=1, description="quality score of the newest dataset"
    )
