"""What the API gives about the lineage of models, detections and frames."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from astrid_assets.web.schemas import Out


class LearnedNightOut(Out):
    """A night whose detections a model learned from."""

    survey: str
    night: str
    detections: int
    differences: int
    frames: int


class SawItOut(Out):
    """A model that saw a detection or a frame."""

    model_id: str
    version: str = Field(description="in MLflow's registry")
    splits: dict[str, int] = Field(description="samples in each split of its dataset")
    scored: int = Field(description="detections that it scored")
    was_in_force: bool


class LineageOut(Out):
    """Backward for a model, forward for a detection or a frame; null: not of this kind."""

    kind: Literal["model", "detection", "frame"]
    seen_by: list[SawItOut] | None = Field(default=None, description="newest model first")
    version: str | None = Field(default=None, description="in MLflow's registry")
    onnx_sha256: str | None = None
    code: str | None = Field(default=None, description="commit, or version of the package")
    training_run_id: str | None = None
    mlflow_run_id: str | None = None
    dataset_id: str | None = None
    dataset_sha256: str | None = None
    splits: dict[str, int] | None = None
    label_sources: dict[str, int] | None = None
    label_events: int | None = Field(default=None, description="up to the collection")
    nights: list[LearnedNightOut] | None = None
    settings_of_differences: list[str] | None = Field(
        default=None, description="hashes of the settings that its differences were made with"
    )
    scored: int | None = Field(default=None, description="detections that it scored")
    deployments: list[int] | None = Field(default=None, description="numbers of the decisions")
