"""Training the members of a model: deterministic, and resumed after any kind of death.

The same settings, data and number of threads give the same weights, also when the
process was killed half-way: after every epoch `last.ckpt` is replaced in one step,
and the next call with the same `run_dir` goes on from there. Each member has a folder
of its own there; what differs between members is their seed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from astrid_assets.learning.baseline import CandidateCNN
from astrid_assets.learning.calibration import ScoreCalibration, fit_calibration
from astrid_assets.learning.checkpoints import (
    LAST,
    fingerprint_of,
    is_finished,
    restore_best,
    state_to_resume,
)
from astrid_assets.learning.cost import TrainingCost, peak_memory_mb
from astrid_assets.learning.datamodule import TRAIN, VAL, CutoutData, TrainArrays
from astrid_assets.learning.segmentation_task import EpochMetrics, SegmentationTask
from astrid_assets.learning.trainer import (
    MONITORED,
    fit,
    make_trainer,
    quiet_and_deterministic,
)
from astrid_assets.learning.unet import Ensemble, UNet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.learning.stamps import Stamps


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """The networks of the best epochs and how they came about.

    Attributes
    ----------
    network
        All members, in evaluation mode, on the CPU.
    calibration
        Turns the logit of the candidate into a probability; handed to `export.to_onnx`,
        it changes no ranking.
    best_epochs
        Best epoch of each member, counted from 0.
    history
        One entry per epoch and member: epoch, member, train_loss, val_loss,
        val_candidate_loss, val_auc, val_accuracy, val_precision, val_recall,
        learning_rate.
    resumed_after
        Epochs of all members that were already done when this call began.
    cost
        What this call took.
    """

    network: Ensemble
    settings: TrainingSettings
    calibration: ScoreCalibration
    best_epochs: tuple[int, ...]
    history: tuple[EpochMetrics, ...]
    resumed_after: int
    cost: TrainingCost


def train(
    stamps: Stamps,
    samples: TrainArrays,
    settings: TrainingSettings,
    run_dir: Path,
    *,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> TrainedModel:
    """Train on the train split, stop and choose on the val split.

    Parameters
    ----------
    stamps
        Cutouts and masks in shard files, row by row those of `samples`.
    run_dir
        Home of the checkpoints; what is there of the same training is resumed.
    on_epoch
        Called after each epoch with its entry of `history`, once its checkpoint is on disk.

    Raises
    ------
    UnusableDataset
        If arrays do not fit together or a split lacks a class.
    CheckpointMismatch
        If `run_dir` belongs to another training.
    """
    started, cpu_started = time.monotonic(), time.process_time()
    fingerprint = fingerprint_of(stamps, samples, settings)
    _sidesfit(min(stamps.size, settings.size), settings.depth)
    members: list[UNet | CandidateCNN] = []
    histories: list[list[EpochMetrics]] = []
    resumed_after = cutouts = 0
    with quiet_and_deterministic(settings.threads):
        for member in range(settings.members):
            folder = member_folder(run_dir, member)
            folder.mkdir(parents=True, exist_ok=True)
            state = state_to_resume(folder, fingerprint)
            done = 0 if state is None else state["epoch"] + 1
            resumed_after += done
            network = _network(settings, member)
            network.candidate.learn_scale(samples.measured[samples.rows(TRAIN)])
            task = SegmentationTask(
                Ensemble([network], settings), settings, member=member, fingerprint=fingerprint
            )
            data = _data(stamps, samples, settings, member)
            if state is None or not is_finished(state, settings):
                trainer = make_trainer(settings, folder, on_epoch)
                fit(trainer, task, data, folder / LAST if state else None)
            histories.append(restore_best(task, folder))
            cutouts += (len(histories[-1]) - done) * data.cutouts_each_epoch
            members.append(network)
        together = Ensemble(members, settings).cpu().eval()
        calibration = _val_calibration(together, _data(stamps, samples, settings, 0))
    return TrainedModel(
        network=together,
        settings=settings,
        calibration=calibration,
        best_epochs=tuple(
            min(range(len(epochs)), key=lambda epoch, epochs=epochs: epochs[epoch][MONITORED])
            for epochs in histories
        ),
        history=tuple(entry for epochs in histories for entry in epochs),
        resumed_after=resumed_after,
        cost=TrainingCost(
            time.monotonic() - started,
            time.process_time() - cpu_started,
            cutouts,
            peak_memory_mb(),
        ),
    )


def member_folder(run_dir: Path, member: int) -> Path:
    """Return where a member, counted from 0, keeps its checkpoints."""
    return run_dir / f"member_{member + 1}"


def _data(
    stamps: Stamps, samples: TrainArrays, settings: TrainingSettings, member: int
) -> CutoutData:
    return CutoutData(
        stamps,
        samples,
        batch_size=settings.batch_size,
        seed=settings.first_seed + member,
        cutouts_per_epoch=settings.cutouts_per_epoch,
        rarest=settings.rarest,
    )


def _network(settings: TrainingSettings, member: int) -> UNet | CandidateCNN:
    """Build a member from its seed alone, leaving the global generator as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.first_seed + member)
        network = CandidateCNN(settings) if settings.network == "cnn" else UNet(settings)
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _val_calibration(network: Ensemble, data: CutoutData) -> ScoreCalibration:
    with torch.inference_mode():
        logits = torch.cat(
            [
                network(batch["images"], batch["measurements"]).score
                for batch in data.val_dataloader()
            ]
        )
    labels = data.samples.labels[data.samples.rows(VAL)]
    return fit_calibration(logits.numpy().astype(np.float64), labels == 1)


def _sidesfit(size: int, depth: int) -> None:
    if size % 2**depth:
        raise ValueError(
            f"cutouts of {size} px cannot be halved {depth} times; choose a smaller "
            f"depth or sides that are multiples of {2**depth}"
        )
