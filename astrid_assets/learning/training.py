"""Training one network: deterministic, and resumed after any kind of death.

The same settings, data and number of threads give the same weights, also when the
process was killed half-way: after every epoch `last.ckpt` is replaced in one step,
and the next call with the same `run_dir` goes on from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from astrid_assets.learning.calibration import fit_temperature
from astrid_assets.learning.checkpoints import (
    LAST,
    fingerprint_of,
    is_finished,
    restore_best,
    state_to_resume,
)
from astrid_assets.learning.datamodule import (
    VAL,
    CutoutData,
    TrainArrays,
)
from astrid_assets.learning.segmentation_task import EpochMetrics, SegmentationTask
from astrid_assets.learning.trainer import (
    MONITORED,
    fit,
    make_trainer,
    quiet_and_deterministic,
)
from astrid_assets.learning.unet import UNet, centre_logit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lightning.pytorch.loggers import Logger

    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.learning.stamps import Stamps


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """The network of the best epoch and how it came about.

    Attributes
    ----------
    network
        In evaluation mode.
    temperature
        Divides every logit so that val scores read as probabilities; handed to
        `export.to_onnx`, it changes no ranking.
    best_epoch
        From 0, counts `history`.
    history
        Per epoch: epoch, train_loss, val_loss, val_candidate_loss, val_auc.
    resumed_after
        Epochs that were already done when this call began.
    seconds
        Wall time of this call.
    """

    network: UNet
    settings: TrainingSettings
    temperature: float
    best_epoch: int
    history: tuple[EpochMetrics, ...]
    resumed_after: int
    seconds: float


def train(
    stamps: Stamps,
    samples: TrainArrays,
    settings: TrainingSettings,
    run_dir: Path,
    *,
    loggers: Sequence[Logger] = (),
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> TrainedModel:
    """Train on the train split, stop and choose on the val split.

    Parameters
    ----------
    stamps
        Cutouts and masks in shard files, row by row those of `samples`.
    run_dir
        Home of the checkpoints; what is there of the same training is resumed.
    loggers
        Lightning loggers; none of them need to exist.
    on_epoch
        Called after each epoch, once its checkpoint is on disk.

    Raises
    ------
    UnusableDataset
        If arrays do not fit together or a split lacks a class.
    CheckpointMismatch
        If `run_dir` belongs to another training.
    """
    started = time.monotonic()
    run_dir.mkdir(parents=True, exist_ok=True)
    fingerprint = fingerprint_of(stamps, samples, settings)
    state = state_to_resume(run_dir, fingerprint)
    data = CutoutData(
        stamps,
        samples,
        batch_size=settings.batch_size,
        seed=settings.seed,
        cutouts_per_epoch=settings.cutouts_per_epoch,
    )
    _sidesfit(stamps.size, settings.depth)
    with quiet_and_deterministic(settings.threads):
        task = _task(settings, fingerprint)
        if state is None or not is_finished(state, settings):
            trainer = make_trainer(settings, run_dir, loggers, on_epoch)
            fit(trainer, task, data, run_dir / LAST if state else None)
        history = restore_best(task, run_dir)
        network = task.network.eval()
        temperature = _val_temperature(network, data)
    best = min(range(len(history)), key=lambda epoch: history[epoch][MONITORED])
    return TrainedModel(
        network=network,
        settings=settings,
        temperature=temperature,
        best_epoch=best,
        history=tuple(history),
        resumed_after=0 if state is None else state["epoch"] + 1,
        seconds=time.monotonic() - started,
    )


def _task(settings: TrainingSettings, fingerprint: str) -> SegmentationTask:
    """Build the network from the seed alone, leaving the global generator as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = UNet(base_filters=settings.base_filters, depth=settings.depth)
    return SegmentationTask(
        network.to(memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        seed=settings.seed,
        fingerprint=fingerprint,
    )


def _val_temperature(network: UNet, data: CutoutData) -> float:
    with torch.inference_mode():
        logits = torch.cat(
            [centre_logit(network(batch["images"])) for batch in data.val_dataloader()]
        )
    labels = data.samples.labels[data.samples.rows(VAL)]
    return fit_temperature(logits.numpy().astype(np.float64), labels == 1)


def _sidesfit(size: int, depth: int) -> None:
    if size % 2**depth:
        raise ValueError(
            f"cutouts of {size} px cannot be halved {depth} times; choose a smaller "
            f"depth or sides that are multiples of {2**depth}"
        )
