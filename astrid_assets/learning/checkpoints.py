"""Checkpoints of a training: whose they are, how far it came, what was best."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, TypedDict

import torch

from astrid_assets.learning.settings import WHERE_IT_RUNS

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.learning.datamodule import TrainArrays
    from astrid_assets.learning.segmentation_task import EpochMetrics, SegmentationTask
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.learning.stamps import Stamps

log = logging.getLogger(__name__)

LAST, BEST = "last.ckpt", "best.ckpt"


class CheckpointMismatch(ValueError):
    """The run folder holds a checkpoint of other settings or other data."""


class TrainingState(TypedDict):
    """The parts of `last.ckpt` that decide how to go on."""

    fingerprint: str
    epoch: int
    callbacks: dict[str, dict[str, object]]


def fingerprint_of(stamps: Stamps, samples: TrainArrays, settings: TrainingSettings) -> str:
    """Identify a training by everything that decides its result."""
    content = hashlib.sha256(samples.digest().encode())
    content.update(stamps.digest().encode())
    content.update(
        json.dumps(settings.model_dump(exclude=set(WHERE_IT_RUNS)), sort_keys=True).encode()
    )
    return content.hexdigest()


def state_to_resume(run_dir: Path, fingerprint: str) -> TrainingState | None:
    """Return what `run_dir` holds of this training; None where it is new.

    Raises
    ------
    CheckpointMismatch
        If it holds another one.
    """
    path = run_dir / LAST
    if not path.exists():
        return None
    state: TrainingState = torch.load(path, map_location="cpu", weights_only=True)
    if state["fingerprint"] != fingerprint:
        raise CheckpointMismatch(
            f"{path} belongs to a training with other settings or other data; give "
            "another run folder or empty this one"
        )
    log.info("resuming after epoch %d from %s", state["epoch"] + 1, path)
    return state


def is_finished(state: TrainingState, settings: TrainingSettings) -> bool:
    """Return whether all epochs are done or training had stopped early."""
    stopped = any(bool(callback.get("stopped_epoch")) for callback in state["callbacks"].values())
    return stopped or state["epoch"] + 1 >= settings.epochs


def history_of(run_dir: Path) -> list[EpochMetrics]:
    """Return the epochs of the training in a folder; none where it is new."""
    path = run_dir / LAST
    if not path.exists():
        return []
    return torch.load(path, map_location="cpu", weights_only=True)["history"]


def restore_best(task: SegmentationTask, run_dir: Path) -> list[EpochMetrics]:
    """Load the best epoch's weights; return the history of all epochs."""
    best = torch.load(run_dir / BEST, map_location="cpu", weights_only=True)
    task.load_state_dict(best["state_dict"])
    last = torch.load(run_dir / LAST, map_location="cpu", weights_only=True)
    return last["history"]
