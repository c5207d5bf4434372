"""Settings and known failures of the learning steps; light, for Dagster's launchpad."""

from pydantic import Field

from astrid_assets.science.labelling.dataset_settings import DatasetQualitySettings
from astrid_assets.science.settings import Settings

MIN_ROC_AUC = 0.9
"""Floor on the test split: below it a person is faster without the model."""


class TooFewLabels(RuntimeError):
    """Not enough labelled detections; the message says how to get more."""


class NoDataset(RuntimeError):
    """There is no training dataset yet; the message says how to make one."""


class NoModel(RuntimeError):
    """There is no model to deploy or to roll back to."""


class CollectionSettings(DatasetQualitySettings):
    """Which labelled detections make the dataset (names of the requirement papers).

    The limits of its quality stand beside them.
    """

    name: str = Field(default="all-labels", description="a name that users recognise")
    survey_ids: list[str] = Field(default=[], description="surveys to take; empty: all")
    start: str | None = Field(default=None, description="first night, YYYY-MM-DD")
    end: str | None = Field(default=None, description="last night, YYYY-MM-DD")
    sources: list[str] = Field(
        default=["person", "catalogue", "import", "truth"],
        description="label sources to accept; 'truth' comes from simulations only",
    )
    min_agreement: float = Field(default=0.6, ge=0, le=1, description="of the reviewers")
    max_samples: int = Field(
        default=20_000, ge=10, description="the most recent are taken when there are more"
    )
    min_samples: int = Field(default=60, ge=10, description="fewer labels train nothing")
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


class DeploymentSettings(Settings):
    """When a model may be deployed."""

    min_roc_auc: float = Field(
        default=MIN_ROC_AUC, ge=0.5, le=1, description="floor on the test split"
    )
    min_gain: float = Field(
        default=0.0, ge=0, le=1, description="average precision it must gain over the champion"
    )
    must_beat_snr: bool = Field(
        default=True, description="the model must rank better than plain S/N"
    )
