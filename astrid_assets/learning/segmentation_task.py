"""The Lightning module: one training step, one validation step, the optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning
import numpy as np
import torch
from torch import Tensor

from astrid_assets.learning.augmentation import augment
from astrid_assets.learning.losses import segmentation_loss
from astrid_assets.learning.ranking import roc_auc
from astrid_assets.learning.unet import UNet, centre_logit

if TYPE_CHECKING:
    from lightning.pytorch.utilities.types import OptimizerLRScheduler

WARM_UP = 0.2
"""Share of all steps in which the learning rate rises before it falls."""

EpochMetrics = dict[str, float]


class SegmentationTask(lightning.LightningModule):
    """Train a `UNet` to outline what is real at the centre of a cutout.

    `history` holds one entry per epoch and travels in the checkpoint, as does
    `fingerprint`, which says what settings and data the checkpoint belongs to.
    """

    def __init__(
        self,
        network: UNet,
        *,
        learning_rate: float,
        weight_decay: float,
        seed: int,
        fingerprint: str,
    ) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.fingerprint = fingerprint
        self.history: list[EpochMetrics] = []
        self._train_losses: list[float] = []
        self._val: list[dict[str, Tensor]] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one augmented batch."""
        generator = torch.Generator().manual_seed(_mix(self.seed, self.current_epoch, batch_idx))
        images, masks = augment(batch["images"], batch["masks"], generator)
        logits = self.network(_channels_last(images))  # (B, 1, H, W)
        loss = segmentation_loss(logits, masks, batch["labels"])
        self._train_losses.append(float(loss.total.detach()))
        return loss.total

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Keep the losses and scores of one batch until the epoch ends."""
        logits = self.network(_channels_last(batch["images"]))
        loss = segmentation_loss(logits, batch["masks"], batch["labels"])
        count = len(logits)
        self._val.append(
            {
                "count": torch.tensor(float(count)),
                "total": loss.total * count,
                "candidate": loss.candidate * count,
                "logit": centre_logit(logits),
                "label": batch["labels"],
            }
        )

    def on_validation_epoch_end(self) -> None:
        """Turn the epoch into one line of `history` and hand it to the loggers."""
        count = sum(float(part["count"]) for part in self._val)
        logits = torch.cat([part["logit"] for part in self._val]).double().numpy()
        labels = torch.cat([part["label"] for part in self._val]).numpy() > 0.5
        metrics: EpochMetrics = {
            "epoch": float(self.current_epoch),
            "train_loss": float(np.mean(self._train_losses)),
            "val_loss": sum(float(part["total"]) for part in self._val) / count,
            "val_candidate_loss": (sum(float(part["candidate"]) for part in self._val) / count),
            "val_auc": roc_auc(logits, labels),
        }
        self._train_losses.clear()
        self._val.clear()
        self.history.append(metrics)
        self.log_dict({k: v for k, v in metrics.items() if k != "epoch"})

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW with one cycle: warm-up, then down to nothing."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=WARM_UP,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Add what resuming needs beyond the weights."""
        checkpoint["history"] = list(self.history)
        checkpoint["fingerprint"] = self.fingerprint

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Take the history of the epochs already done."""
        history = checkpoint["history"]
        if not isinstance(history, list):
            raise TypeError(f"history in the checkpoint is a {type(history).__name__}")
        self.history = list(history)


def _channels_last(images: Tensor) -> Tensor:
    """Use the layout whose convolutions are a quarter faster on a CPU."""
    return images.contiguous(memory_format=torch.channels_last)


def _mix(seed: int, epoch: int, batch_idx: int) -> int:
    """Make one 63-bit seed of three numbers, without collisions in practice."""
    state = np.random.SeedSequence([seed, epoch, batch_idx]).generate_state(2)
    return (int(state[0]) << 31) ^ int(state[1])
