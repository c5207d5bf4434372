"""Lightning, set up: what is watched, kept and reported, and what is put back after."""

from __future__ import annotations

import logging
import signal
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.callbacks.weight_averaging import EMAWeightAveraging

from astrid_assets.learning.checkpoints import BEST, LAST
from astrid_assets.learning.segmentation_task import EpochMetrics, SegmentationTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from astrid_assets.learning.datamodule import CutoutData
    from astrid_assets.learning.settings import TrainingSettings

log = logging.getLogger(__name__)

MONITORED = "val_loss"


def make_trainer(
    settings: TrainingSettings,
    run_dir: Path,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> lightning.Trainer:
    """Return a trainer that keeps the best and the last epoch in `run_dir`."""
    # All act at the end of the training epoch, in this order: the last checkpoint
    # then knows whether training has stopped and which epoch is the best.
    stop = EarlyStopping(MONITORED, patience=settings.patience, check_on_train_epoch_end=True)
    keep_best = _Movable(
        run_dir,
        filename=BEST.removesuffix(".ckpt"),
        monitor=MONITORED,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    keep_last = _Movable(
        run_dir,
        filename=LAST.removesuffix(".ckpt"),
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [stop, keep_best, keep_last]
    if settings.keep_every:
        callbacks.append(
            _Movable(
                run_dir,
                filename="{epoch:03d}",
                every_n_epochs=settings.keep_every,
                save_top_k=-1,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            )
        )
    if settings.average_decay:
        callbacks.insert(0, EMAWeightAveraging(decay=settings.average_decay))
    on_cuda = settings.accelerator == "cuda" or (
        settings.accelerator == "auto" and torch.cuda.is_available()
    )
    return lightning.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        max_epochs=settings.epochs,
        # Some of CUDA's kernels have no deterministic form: say so rather than stop.
        deterministic="warn" if on_cuda else True,
        gradient_clip_val=settings.gradient_clip,
        accumulate_grad_batches=settings.accumulate,
        callbacks=[*callbacks, _AfterEpoch(on_epoch)],
        logger=False,
        default_root_dir=run_dir,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def fit(
    trainer: lightning.Trainer,
    task: SegmentationTask,
    data: CutoutData,
    checkpoint: Path | None,
) -> None:
    """Train; an interrupt comes out as such.

    Parameters
    ----------
    checkpoint
        Where to go on from; None: from the start.
    """
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as end:
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise
        # Lightning makes an interrupt the end of the process and ignores all further
        # ones; here it ends the training and nothing else.
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from end


class _Movable(ModelCheckpoint):
    """Keeps what it knows of the best epoch when its folder lies elsewhere now.

    Lightning forgets it then, and the next epoch would be the best, whatever it was.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state with all of its paths moved to the own folder."""
        super().load_state_dict(
            state_dict
            | {
                "dirpath": self.dirpath,
                "best_k_models": {
                    self._here(path): score for path, score in state_dict["best_k_models"].items()
                },
            }
            | {
                name: self._here(state_dict[name])
                for name in ("best_model_path", "kth_best_model_path", "last_model_path")
            }
        )

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or "") / Path(path).name) if path else path


class _AfterEpoch(_Movable):
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


@contextmanager
def quiet_and_deterministic(threads: int) -> Iterator[None]:
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
            # Advice on loader processes: the arrays are in local files and batches
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
