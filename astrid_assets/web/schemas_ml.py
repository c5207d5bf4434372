"""What the API takes and gives about trainings and searches for settings.

The names are those of the requirement papers (TrainingConfig, HyperparameterSpace); each
description says which of our settings it is.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  pydantic reads the annotations
from typing import Annotated, Any, Literal

from pydantic import Field

from astrid_assets.learning.settings import (  # noqa: TC001  pydantic reads the annotations
    Activation,
    Optimiser,
)
from astrid_assets.web.schemas import Body, Id, Out, Text
from astrid_assets.web.texts import PlainText

SettingValue = PlainText | bool | int | float | list[PlainText]
Settings = Annotated[dict[Text, SettingValue], Field(max_length=100)]
LossWord = Literal[
    "bce",
    "focal",
    "dice",
    "tversky",
    "bce_dice",
    "bce_tversky",
    "focal_dice",
    "focal_tversky",
]
Low, High = Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]
Range = tuple[Low, High]


class TrainingIn(Body):
    """A training to start; what is left out is as `trained_unet` has it by default."""

    model_type: Literal["unet"] = Field(default="unet", description="Kind of the network.")
    dataset_path: Id | None = Field(
        default=None, description="Id of the dataset version; without: the newest."
    )
    validation_split: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share that validates. Frozen with the dataset: another one is refused.",
    )
    test_split: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share that tests. Frozen with the dataset: another one is refused.",
    )
    batch_size: int | None = Field(default=None, ge=2, le=65536, description="Cutouts per step.")
    epochs: int | None = Field(
        default=None, ge=1, le=100_000, description="Passes over the train split, at most."
    )
    learning_rate: float | None = Field(
        default=None, gt=0, lt=1, description="The highest of the schedule."
    )
    optimizer: Optimiser | None = Field(default=None, description="Rule of the steps.")
    loss_function: LossWord | None = Field(
        default=None,
        description="Loss of the pixels, of the mask as a whole, or their sum; the "
        "candidate's cross-entropy is added to each (candidate_weight in `settings`).",
    )
    metrics: list[Text] = Field(
        default=[],
        max_length=50,
        description="Names of the metrics that the status repeats; all are measured.",
    )
    settings: Settings = Field(
        default={}, description="Any other setting of `trained_unet`, by its name."
    )
    use_best_settings: bool = Field(
        default=False, description="Take the best settings of the newest search on the dataset."
    )


class OptimizationIn(Body):
    """A search for settings to start. Ranges are (lowest, highest), both included.

    Where no range or list is given, the search has its usual space.
    """

    dataset_path: Id | None = Field(
        default=None, description="Id of the dataset version; without: the newest."
    )
    strategy: Literal["grid", "random", "bayesian"] = Field(
        default="bayesian", description="How combinations are chosen."
    )
    trials: int = Field(default=20, ge=1, le=100_000, description="Combinations tried.")
    minutes: float | None = Field(
        default=None, gt=0, le=1e6, description="Wall time after which no trial goes on."
    )
    metric: Literal["val_auc", "val_candidate_loss", "val_loss"] = Field(
        default="val_auc", description="What trials are ranked by, on the val split."
    )
    learning_rate: Range | None = Field(
        default=None, description="Range of the learning rate, uniform in its logarithm."
    )
    batch_size: list[int] | None = Field(
        default=None, min_length=1, max_length=100, description="Cutouts per step."
    )
    hidden_layers: tuple[int, int] | None = Field(
        default=None, description="Range of `depth`: times the cutout is halved."
    )
    dropout_rate: Range | None = Field(default=None, description="Range of `dropout`.")
    regularization: Range | None = Field(
        default=None, description="Range of `weight_decay`, uniform in its logarithm."
    )
    activation: list[Activation] | None = Field(
        default=None, min_length=1, max_length=10, description="Functions between convolutions."
    )
    optimizer: list[Optimiser] | None = Field(
        default=None, min_length=1, max_length=10, description="Rules of the steps."
    )
    space: Annotated[dict[Text, list[SettingValue]], Field(max_length=50)] = Field(
        default={}, description="Values of any other setting of `trained_unet`, by its name."
    )
    settings: Settings = Field(
        default={}, description="Settings of the training that are not searched."
    )


class JobOut(Out):
    """A run of Dagster to follow."""

    job_id: str
    status: str = Field(description="as Dagster reports it: queued, started, success, failure …")
    follow: str = Field(description="address that reports its progress and results")
    ui: str = Field(description="the run in Dagster's own pages")


class TrainingStatusOut(JobOut):
    """How a training stands; what it made once it is done."""

    model_id: str | None = None
    version: str | None = Field(default=None, description="in MLflow's registry")
    metrics: dict[str, Any] | None = Field(
        default=None, description="on the frozen test split, with 95 % intervals"
    )


class TrialOut(Out):
    """One combination of settings that was tried."""

    number: int
    values: dict[str, Any]
    status: str = Field(description="running | finished | stopped | failed")
    epochs: int
    metric: float | None = Field(description="of the epoch that a training would keep")
    error: str | None
    seconds: float


class OptimizationOut(JobOut):
    """How a search stands, and what it has found so far."""

    search_id: str | None = None
    dataset_id: str | None = None
    state: str | None = Field(
        default=None, description="running | completed | failed | interrupted"
    )
    reason: str | None = None
    metric: str | None = None
    best_settings: dict[str, Any] | None = None
    importance: dict[str, float] | None = Field(
        default=None, description="share of the metric's variance that each setting explains"
    )
    trials: list[TrialOut] = Field(default=[], description="in the order of their begin")
    started_at: dt.datetime | None = None
    completed_at: dt.datetime | None = None


class EvaluateIn(Body):
    """What to judge, and on what."""

    model_id: Id | None = Field(
        default=None, description="Id of the model; without: the one in force, else the newest."
    )
    dataset_path: Id | None = Field(
        default=None, description="Id of the dataset version; without: the newest."
    )


class EvaluationMetricsOut(Out):
    """How good a model is on what it never saw; null: not measured."""

    model_id: str
    dataset_id: str | None = Field(description="null: the dataset that it was trained on")
    evaluated_at: dt.datetime
    threshold: float
    accuracy: float | None
    precision: float | None = Field(description="purity at the threshold, in the mix of the split")
    recall: float | None = Field(description="completeness at the threshold")
    f1_score: float | None
    auc_roc: float | None
    auc_pr: float | None = Field(description="average precision")
    confusion_matrix: list[list[int]] | None = Field(
        description="rows bogus and real as labelled, columns bogus and real as called"
    )
    classification_report: dict[str, Any] = Field(
        description="precision, recall, f1 and support of each class"
    )
    custom_metrics: dict[str, Any] = Field(
        description="other numbers, with 95 % intervals where there are some"
    )


class DeployIn(Body):
    """Which model to judge and to deploy if it is better."""

    model_id: Id | None = Field(
        default=None, description="Id of the model; without: the one trained last."
    )
    survey: Text | None = Field(
        default=None,
        description="Survey that it is to score alone; without: all without a champion of "
        "their own.",
    )
    force: bool = Field(
        default=False, description="Deploy whatever the comparison says; needs `because`."
    )
    because: Annotated[PlainText, Field(max_length=2000)] | None = Field(
        default=None, description="Why it is forced; kept with the decision."
    )


class RollbackIn(Body):
    """Which model comes back, and why."""

    because: Annotated[PlainText, Field(min_length=1, max_length=2000)] = Field(
        description="The reason, in words; kept with the decision."
    )
    to: Id | Literal["common"] | None = Field(
        default=None,
        description="Id of an earlier model, or `common` for a survey's way back to the common "
        "champion; without: the one before the champion.",
    )
    survey: Text | None = Field(
        default=None, description="Survey whose own champion is taken back; without: the common."
    )


class DeploymentOut(Out):
    """How a deployment stands; null: not known (yet), or not of this kind."""

    status: str = Field(description="as Dagster reports it: queued, started, success, failure …")
    job_id: str | None = None
    follow: str | None = None
    ui: str | None = Field(default=None, description="the run in Dagster's own pages")
    deployment_id: int | None = Field(default=None, description="number of the decision")
    action: str | None = Field(default=None, description="deploy | keep | rollback | common")
    state: str | None = Field(
        default=None, description="in force | refused | replaced | rolled back"
    )
    model_id: str | None = None
    version: str | None = Field(default=None, description="in MLflow's registry")
    previous_model_id: str | None = None
    survey: str | None = Field(default=None, description="null: every survey without its own")
    dataset_id: str | None = Field(default=None, description="whose test split decided")
    reason: str | None = None
    canary: dict[str, Any] | None = Field(
        default=None, description="what the model did once it was in force"
    )
    decided_at: dt.datetime | None = None
