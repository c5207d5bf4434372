"""What the API takes and gives about training datasets."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  pydantic reads the annotations
from typing import Any

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
    survey_ids: list[Text] = Field(
        default=[], max_length=200, description="Names of the surveys; empty: all."
    )
    start: Day | Moment | None = Field(
        default=None, description="First night, as a date or time; without: the first there is."
    )
    end: Day | Moment | None = Field(
        default=None, description="Last night, as a date or time; without: the last there is."
    )
    confidence_threshold: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Smallest agreement of the reviewers, 0 to 1. A model's own confidence "
        "never makes a label.",
    )
    max_samples: int = Field(
        default=20_000,
        ge=10,
        le=10_000_000,
        description="Largest number of cutouts; the newest are kept.",
    )
    min_samples: int = Field(
        default=60,
        ge=10,
        le=10_000_000,
        description="Smallest number of cutouts; with fewer the run fails.",
    )
    sources: list[SourceWord] = Field(
        default=["person", "catalogue", "import", "truth"],
        min_length=1,
        description="Sources whose labels are accepted.",
    )
    seed: int = Field(
        default=1, ge=0, le=2**31 - 1, description="Seed of the random split by object."
    )


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


class DatasetDetail(DatasetOut):
    """A dataset version with the size of its splits."""

    splits: dict[str, int]


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
