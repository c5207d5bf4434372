"""What the API takes and gives about training datasets."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  pydantic reads the annotations
from typing import Any, Literal

from pydantic import Field

from astrid_assets.web.schemas import Body, Out, SourceWord, Text
from astrid_assets.web.texts import Day, Moment, PlainText  # noqa: TC001  pydantic reads the annotations


class CollectIn(Body):
    """What goes into a training dataset; the names of the requirement papers."""

    name: PlainText = Field(
        default="all-labels",
        min_length=1,
        max_length=200,
        description="Name that users recognise the dataset by.",
    )
    description: PlainText = Field(
        default="", max_length=2000, description="Free text; empty: what was collected."
    )
    survey_ids: list[Text] = Field(
        default=[], max_length=200, description="Names of the surveys; empty: all."
    )
    start: Day | Moment | None = Field(
        default=None, description="First night, as a date or time; without: the first there is."
    )
    end: Day | Moment | None = Field(
        default=None, description="Last night, as a date or time; without: the last there is."
    )
    cone_deg: tuple[float, float, float] | None = Field(
        default=None, description="Right ascension, declination and radius of a circle, degrees."
    )
    box_deg: tuple[float, float, float, float] | None = Field(
        default=None,
        description="Right ascension from and to (eastwards), declination from and to, degrees.",
    )
    confidence_threshold: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="Lowest mean confidence that the reviewers of a label stated themselves, 0 "
        "to 1; labels without one stay. A model's probability never makes a label.",
    )
    min_agreement: float = Field(
        default=0.6, ge=0, le=1, description="Smallest agreement of the reviewers, 0 to 1."
    )
    anomaly_types: list[Text] = Field(
        default=[], max_length=200, description="Classes of real detections; empty: all."
    )
    quality_score_threshold: float = Field(
        default=0.0, ge=0, le=1, description="Lowest quality score of a frame, 0 to 1."
    )
    validation_status: Literal["validated", "any"] = Field(
        default="validated",
        description="`any` adds detections that nobody reviewed, as presumed bogus, to train "
        "only; marked.",
    )
    max_class_ratio: float = Field(
        default=9.0,
        ge=1,
        le=10_000,
        description="Detections of the more frequent class per one of the rarer.",
    )
    hard_negatives: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Bogus detections with the highest model probability added to train, as a "
        "share of those that stayed after thinning.",
    )
    judge_on_survey_score: list[Literal["real", "bogus"]] = Field(
        default=[],
        max_length=2,
        description="Labels of `survey_score` that may validate and test, in surveys that have "
        "none of that label from anybody else.",
    )
    max_samples: int = Field(
        default=20_000,
        ge=10,
        le=10_000_000,
        description="Largest number of cutouts; every survey, S/N, seeing and night keeps its "
        "part.",
    )
    min_samples: int = Field(
        default=60,
        ge=10,
        le=10_000_000,
        description="Smallest number of cutouts; with fewer the run fails.",
    )
    sources: list[SourceWord | Literal["survey_score"]] = Field(
        default=["person", "catalogue", "import", "truth"],
        min_length=1,
        description="Sources whose labels are accepted.",
    )
    seed: int = Field(
        default=1, ge=0, le=2**31 - 1, description="Seed of the random split by object."
    )


class RetireIn(Body):
    """Why a dataset shall not be used any more."""

    reason: PlainText = Field(min_length=1, max_length=2000, description="In a sentence.")


class RunOut(Out):
    """A run to follow."""

    run_id: str
    status: str
    follow: str = Field(description="address that reports its progress")
    ui: str = Field(description="the run in Dagster's own pages")
    dataset_id: str | None = None


class DatasetOut(Out):
    """A frozen dataset version."""

    id: str
    name: str
    description: str | None
    content_hash: str
    collection_params: dict[str, Any]
    total_samples: int
    anomaly_ratio: float
    quality_score: float
    mlflow_run_id: str | None
    created_at: dt.datetime
    created_by: str
    status: str
    status_reason: str | None
    status_by: str | None
    status_at: dt.datetime | None


class DatasetDetail(DatasetOut):
    """A dataset version with the size of its splits."""

    splits: dict[str, int]
    collection_report: dict[str, Any] | None = Field(
        description="detections looked at, left out by reason, taken, and the seconds it took"
    )


class ComparisonOut(Out):
    """What differs between an earlier and a later version."""

    first: str
    second: str
    totals: tuple[int, int]
    added: int
    left_out: int
    shared: int
    relabelled: int
    moved: int
    anomaly_ratios: tuple[float, float]
    quality_scores: tuple[float, float]
    counts: dict[str, dict[str, tuple[int, int]]]
    settings: dict[str, tuple[Any, Any]]


class QualityOut(Out):
    """What is known of a dataset's quality."""

    dataset_id: str
    quality_score: float
    report: dict[str, Any]


class FileOut(Out):
    """A file of a dataset."""

    href: str
    key: str
    media_type: str
    sha256_starts_with: str


class ShardOut(Out):
    """Some rows of a dataset: its cutouts and its masks."""

    rows: int
    images: FileOut
    masks: FileOut


class LoadedOut(Out):
    """Everything needed to train on a dataset: its files and where samples are."""

    dataset_id: str
    content_hash: str
    splits: dict[str, int]
    shards: list[ShardOut] = Field(description="in the order of the table's rows")
    table: FileOut = Field(description="the table of samples (Parquet)")
    samples: str = Field(description="address of the list of samples")


class SampleOut(Out):
    """One labelled cutout; paths name object and row (``key#17``)."""

    id: str
    detection_id: str
    observation_id: str
    image_path: str
    mask_path: str
    labels: dict[str, Any]
    metadata: dict[str, Any] = Field(validation_alias="metadata_")
    split: str
