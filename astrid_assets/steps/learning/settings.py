"""Settings and known failures of the learning steps; light, for Dagster's launchpad."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from astrid_assets.learning.gate.settings import GateSettings
from astrid_assets.science.labelling.dataset_settings import DatasetQualitySettings

REQUESTED_BY = "astrid/requested_by"
"""Tag of a run: who asked for it, at the review page or in a terminal."""

DEPLOYMENT_TAG = "astrid/deployment"
"""Tag of a run: number of the decision about a champion that it made."""

LABEL_SOURCES = ("person", "catalogue", "import", "truth", "survey_score")
"""Who says what a detection is; `survey_score` is a survey's own network, and trains only."""

SURVEY_SCORE, UNREVIEWED = "survey_score", "unreviewed"
"""Sources of labels that trains only: another network's, and a presumption."""


class TooFewLabels(RuntimeError):
    """Not enough labelled detections; the message says how to get more.

    Attributes
    ----------
    lacking
        Labels that are missing, by kind: real | bogus | any.
    """

    def __init__(self, message: str, lacking: Mapping[str, int]) -> None:
        super().__init__(message)
        self.lacking = lacking


class NoDataset(RuntimeError):
    """There is no training dataset yet; the message says how to make one."""


class NoModel(RuntimeError):
    """There is no model to deploy or to roll back to."""


class DeployedMeanwhile(RuntimeError):
    """Another model came into force while a deployment was decided."""


class NoSearch(RuntimeError):
    """There is no search for settings to go on with, or to take the best of."""


class SearchIsRunning(RuntimeError):
    """Another process of this machine works on the same search."""


class CollectionSettings(DatasetQualitySettings):
    """Which labelled detections make the dataset (names of the requirement papers).

    The limits of its quality stand beside them.
    """

    name: str = Field(default="all-labels", description="a name that users recognise")
    description: str = Field(
        default="", description="free text; empty: what was collected, in a sentence"
    )
    survey_ids: list[str] = Field(default=[], description="surveys to take; empty: all")
    start: str | None = Field(default=None, description="first night, YYYY-MM-DD")
    end: str | None = Field(default=None, description="last night, YYYY-MM-DD")
    cone_deg: list[float] = Field(
        default=[],
        description="right ascension, declination and radius of a circle on the sky; "
        "empty: everywhere",
    )
    box_deg: list[float] = Field(
        default=[],
        description="right ascension from and to (eastwards, over 0 where from is larger), "
        "declination from and to; empty: everywhere",
    )
    sources: list[str] = Field(
        default=["person", "catalogue", "import", "truth"],
        description="label sources to accept; 'truth' comes from simulations only; "
        "'survey_score', a survey's own high or low score of its alerts, trains only",
    )
    validation_status: str = Field(
        default="validated",
        pattern="^(validated|any)$",
        description="'any' adds detections that nobody reviewed, as presumed bogus, to train "
        "only; marked 'unreviewed'",
    )
    min_agreement: float = Field(
        default=0.6, ge=0, le=1, description="agreement of the reviewers of a detection"
    )
    confidence_threshold: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="lowest mean confidence that the reviewers of a label stated themselves; "
        "labels without a stated confidence stay",
    )
    anomaly_types: list[str] = Field(
        default=[],
        description="classes of real detections to take, such as supernova; empty: all; bogus "
        "ones are not asked",
    )
    quality_score_threshold: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="lowest quality score of a frame; frames without a score stay",
    )
    max_samples: int = Field(
        default=20_000,
        ge=10,
        description="where there are more, every survey, S/N, seeing and night keeps its part",
    )
    min_samples: int = Field(default=60, ge=10, description="fewer labels train nothing")
    max_class_ratio: float = Field(
        default=9.0,
        ge=1,
        description="detections of the more frequent class per one of the rarer, after "
        "thinning; 9 is a share of real of 0.1 to 0.9",
    )
    hard_negatives: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="bogus detections with the highest model probability that are added to "
        "train where bogus ones were thinned, as a share of those that stayed",
    )
    survey_score_real: float = Field(
        default=0.9, gt=0.5, le=1, description="survey's own score from which an alert is real"
    )
    survey_score_bogus: float = Field(
        default=0.1, ge=0, lt=0.5, description="survey's own score up to which it is bogus"
    )
    judge_on_survey_score: list[str] = Field(
        default=[],
        description="labels of survey_score that may also validate and test, in surveys that "
        "have none of that label from anybody else; results then judge by another network",
    )
    survey_score_weight: float = Field(
        default=1.0, gt=0, le=1, description="weight of a survey_score label in training"
    )
    unreviewed_weight: float = Field(
        default=0.3, gt=0, le=1, description="weight of a presumed bogus detection in training"
    )
    min_class_weight: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="share of the training weight that the rarer class has at least",
    )
    val_fraction: float = Field(
        default=0.2,
        gt=0,
        lt=0.5,
        description="share of the objects that validates; fixed by the first collection",
    )
    test_fraction: float = Field(
        default=0.2,
        gt=0,
        lt=0.5,
        description="share of the objects that tests; fixed by the first collection",
    )
    seed: int = Field(default=1, description="of the split; fixed by the first collection")
    duplicate_correlation: float = Field(
        default=0.98,
        ge=0.9,
        le=1,
        description="correlation of score cutouts above which two are near-duplicates, which "
        "stand on one side",
    )

    @model_validator(mode="after")
    def _words_are_known(self) -> Self:
        """Refuse words that would quietly choose nothing."""
        for name, given, known in (
            ("sources", self.sources, LABEL_SOURCES),
            ("judge_on_survey_score", self.judge_on_survey_score, ("real", "bogus")),
        ):
            if unknown := sorted(set(given) - set(known)):
                raise ValueError(f"{name} are {', '.join(known)}; got {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _region_is_complete(self) -> Self:
        """Refuse half a region, which would quietly be another one."""
        if len(self.cone_deg) not in {0, 3}:
            raise ValueError("cone_deg takes three numbers: right ascension, declination, radius")
        if len(self.box_deg) not in {0, 4}:
            raise ValueError(
                "box_deg takes four numbers: right ascension from and to, declination from and to"
            )
        return self


class DeploymentSettings(GateSettings):
    """When a model may be deployed, and when it may stay: limits of the gate and the canary."""

    max_called_real: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="share of the newest detections that a model may call real once it is in "
        "force; above it the model before comes back",
    )
    max_off_shadow: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="how far this share may be from the one just before it came into force",
    )
    canary_min_detections: int = Field(
        default=50, ge=1, description="detections below which the share of real says nothing"
    )
