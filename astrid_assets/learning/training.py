"""Training one network: deterministic, and resumed after any kind of death.

The same settings, data and number of threads give the same weights, also when the
process was killed half-way: after every epoch `last.ckpt` is replaced in one step,
and the next call with the same `run_dir` goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from pydantic import Field

from astrid_assets.learning.calibration import fit_temperature
from astrid_assets.learning.datamodule import VAL, CutoutData, TrainArrays
from astrid_assets.learning.segmentation_task import EpochMetrics, SegmentationTask
from astrid_assets.learning.unet import UNet, centre_logit
from astrid_assets.science.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lightning.pytorch.loggers import Logger

log = logging.getLogger(__name__)

LAST, BEST = "last.ckpt", "best.ckpt"
MONITORED = "val_loss"


class TrainingSettings(Settings):
    """How the network is built and trained."""

    epochs: int = Field(
        default=15,
        ge=1,
        description="passes over the train split, at most",
    )
    patience: int = Field(
        default=5,
        ge=1,
        description="epochs without a lower val loss before training stops",
    )
    cutouts_per_epoch: int = Field(
        default=1000,
        ge=1,
        description="a smaller train split is gone through several times per epoch, "
        "augmented anew: a few steps do not settle the batch normalisation",
    )
    batch_size: int = Field(default=32, ge=2, description="cutouts per step")
    learning_rate: float = Field(
        default=3e-3,
        gt=0,
        lt=1,
        description="peak of the one cycle",
    )
    weight_decay: float = Field(default=1e-3, ge=0, description="of AdamW")
    gradient_clip: float = Field(
        default=1.0,
        gt=0,
        description="largest norm of a gradient",
    )
    base_filters: int = Field(
        default=8, ge=2, le=128, description="filters of the first level; 64 want a GPU"
    )
    depth: int = Field(default=3, ge=1, le=5, description="times the cutout is halved")
    seed: int = Field(
        default=20250301,
        ge=0,
        description="of weights, order, augmentation",
    )
    threads: int = Field(
        default=2,
        ge=1,
        description="CPU threads; another number may change the last digits",
    )


class CheckpointMismatch(ValueError):
    """The run folder holds a checkpoint of other settings or other data."""


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


class _State(TypedDict):
    """The parts of `last.ckpt` that decide how to go on."""

    fingerprint: str
    epoch: int
    callbacks: dict[str, dict[str, object]]


def train(
    images: Path,
    masks: Path,
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
    images, masks
        ``.npy`` files, see `datamodule`.
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
    fingerprint = _fingerprint(images, masks, samples, settings)
    state = _state_to_resume(run_dir, fingerprint)
    data = CutoutData(
        images,
        masks,
        samples,
        batch_size=settings.batch_size,
        seed=settings.seed,
        cutouts_per_epoch=settings.cutouts_per_epoch,
    )
    _sides_fit(data.cutouts.images.shape[-1], settings.depth)
    with _quiet_and_deterministic(settings.threads):
        task = _task(settings, fingerprint)
        if state is None or not _is_finished(state, settings):
            trainer = _trainer(settings, run_dir, loggers, on_epoch)
            trainer.fit(
                task,
                datamodule=data,
                ckpt_path=run_dir / LAST if state else None,
                weights_only=True,
            )
            if trainer.interrupted:
                raise KeyboardInterrupt
        history = _restore_best(task, run_dir)
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


def _trainer(
    settings: TrainingSettings,
    run_dir: Path,
    loggers: Sequence[Logger],
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> lightning.Trainer:
    # All act at the end of the training epoch, in this order: the last checkpoint
    # then knows whether training has stopped and which epoch is the best.
    stop = EarlyStopping(
        MONITORED, patience=settings.patience, check_on_train_epoch_end=True
    )
    keep_best = ModelCheckpoint(
        run_dir,
        filename=BEST.removesuffix(".ckpt"),
        monitor=MONITORED,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    keep_last = ModelCheckpoint(
        run_dir,
        filename=LAST.removesuffix(".ckpt"),
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=settings.epochs,
        deterministic=True,
        gradient_clip_val=settings.gradient_clip,
        callbacks=[stop, keep_best, keep_last, _AfterEpoch(on_epoch)],
        logger=list(loggers) or False,
        default_root_dir=run_dir,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


class _AfterEpoch(ModelCheckpoint):
    """Report an epoch once it is safe on disk.

    Lightning calls checkpoint callbacks last and in their order, and nothing else
    after them; being one, and writing nothing, this one comes after the real one.
    """

    def __init__(self, on_epoch: Callable[[EpochMetrics], None] | None) -> None:
        super().__init__(save_top_k=0)
        self.on_epoch = on_epoch

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Log one line and hand the metrics on."""
        if not isinstance(pl_module, SegmentationTask):
            raise TypeError(f"{type(pl_module).__name__} keeps no history")
        metrics = pl_module.history[-1]
        log.info(
            "epoch %d of %s: train loss %.4f, val loss %.4f, val AUC %.4f",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            metrics["train_loss"],
            metrics["val_loss"],
            metrics["val_auc"],
        )
        if self.on_epoch is not None:
            self.on_epoch(dict(metrics))


def _fingerprint(
    images: Path, masks: Path, samples: TrainArrays, settings: TrainingSettings
) -> str:
    """Identify a training by everything that decides its result."""
    content = hashlib.sha256(samples.digest().encode())
    for path in (images, masks):
        with path.open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    content.update(
        json.dumps(settings.model_dump(exclude={"threads"}), sort_keys=True).encode()
    )
    return content.hexdigest()


def _state_to_resume(run_dir: Path, fingerprint: str) -> _State | None:
    path = run_dir / LAST
    if not path.exists():
        return None
    state: _State = torch.load(path, map_location="cpu", weights_only=True)
    if state["fingerprint"] != fingerprint:
        raise CheckpointMismatch(
            f"{path} belongs to a training with other settings or other data; give "
            "another run folder or empty this one"
        )
    log.info("resuming after epoch %d from %s", state["epoch"] + 1, path)
    return state


def _is_finished(state: _State, settings: TrainingSettings) -> bool:
    stopped = any(
        bool(callback.get("stopped_epoch")) for callback in state["callbacks"].values()
    )
    return stopped or state["epoch"] + 1 >= settings.epochs


def _restore_best(task: SegmentationTask, run_dir: Path) -> list[EpochMetrics]:
    """Load the best epoch's weights; return the history of all epochs."""
    best = torch.load(run_dir / BEST, map_location="cpu", weights_only=True)
    task.load_state_dict(best["state_dict"])
    last = torch.load(run_dir / LAST, map_location="cpu", weights_only=True)
    return last["history"]


def _val_temperature(network: UNet, data: CutoutData) -> float:
    with torch.inference_mode():
        logits = torch.cat(
            [centre_logit(network(batch["images"])) for batch in data.val_dataloader()]
        )
    labels = data.samples.labels[data.samples.rows(VAL)]
    return fit_temperature(logits.numpy().astype(np.float64), labels == 1)


def _sides_fit(size: int, depth: int) -> None:
    if size % 2**depth:
        raise ValueError(
            f"cutouts of {size} px cannot be halved {depth} times; choose a smaller "
            f"depth or sides that are multiples of {2**depth}"
        )


@contextmanager
def _quiet_and_deterministic(threads: int) -> Iterator[None]:
    """Set torch's and Lightning's global switches, and put them back."""
    chatter = logging.getLogger("lightning.pytorch")
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        chatter.level,
    )
    torch.set_num_threads(threads)
    chatter.setLevel(logging.WARNING)
    try:
        # Data loaders draw a number from the global generator.
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            # Advice on loader processes: the arrays are memory-mapped and batches
            # come whole, a loader process would only copy them.
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
            # Lightning about torch: its own business.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        chatter.setLevel(before[2])
