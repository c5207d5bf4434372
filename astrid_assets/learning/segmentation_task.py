"""The Lightning module: one training step, one validation step, the optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning
import numpy as np
import torch
from torch import Tensor

from astrid_assets.learning.augmentation import augment, hide_measurements
from astrid_assets.learning.losses import segmentation_loss
from astrid_assets.learning.ranking import roc_auc
from astrid_assets.learning.unet import Ensemble, central

if TYPE_CHECKING:
    from lightning.pytorch.utilities.types import OptimizerLRScheduler
    from numpy.typing import NDArray

    from astrid_assets.learning.settings import TrainingSettings

WARM_UP = 0.2
"""Share of all steps in which the learning rate of one cycle rises before it falls."""
MOMENTUM = 0.9
"""Of `sgd`; the others bring their own."""

EpochMetrics = dict[str, float]


class SegmentationTask(lightning.LightningModule):
    """Train one member of an `Ensemble` to outline what is real at a cutout's centre.

    `history` holds one entry per epoch and travels in the checkpoint, as does
    `fingerprint`, which says what settings and data the checkpoint belongs to.
    """

    def __init__(
        self, network: Ensemble, settings: TrainingSettings, *, member: int, fingerprint: str
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.member = member
        self.fingerprint = fingerprint
        self.history: list[EpochMetrics] = []
        self._train_losses: list[Tensor] = []
        self._val: list[dict[str, Tensor]] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one augmented batch."""
        seed = _mix(self.settings.first_seed, self.member, self.current_epoch, batch_idx)
        generator = torch.Generator().manual_seed(seed)
        images, masks = augment(batch["images"], batch["masks"], generator, self.settings)
        measurements = hide_measurements(batch["measurements"], generator, self.settings)
        logits = self.network(_channels_last(images), measurements)
        masks = central(masks, self.settings.size)
        loss = segmentation_loss(
            logits, masks, batch["labels"], self.settings, batch.get("weights")
        )
        self._train_losses.append(loss.total.detach())
        return loss.total

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Keep the losses and scores of one batch until the epoch ends."""
        logits = self.network(_channels_last(batch["images"]), batch["measurements"])
        masks = central(batch["masks"], self.settings.size)
        loss = segmentation_loss(logits, masks, batch["labels"], self.settings)
        count = len(batch["labels"])
        self._val.append(
            {
                "count": torch.tensor(float(count)),
                "total": loss.total * count,
                "candidate": loss.candidate * count,
                "logit": logits.score,
                "label": batch["labels"],
            }
        )

    def on_validation_epoch_end(self) -> None:
        """Turn the epoch into one line of `history`."""
        count = sum(float(part["count"]) for part in self._val)
        logits = torch.cat([part["logit"] for part in self._val]).double().cpu().numpy()
        labels = torch.cat([part["label"] for part in self._val]).cpu().numpy() > 0.5
        metrics: EpochMetrics = {
            "epoch": float(self.current_epoch),
            "member": float(self.member),
            "train_loss": float(torch.stack(self._train_losses).double().mean()),
            "val_loss": sum(float(part["total"]) for part in self._val) / count,
            "val_candidate_loss": (sum(float(part["candidate"]) for part in self._val) / count),
            "val_auc": roc_auc(logits, labels),
            **_shares(logits > 0, labels),
            "learning_rate": float(self.trainer.optimizers[0].param_groups[0]["lr"]),
        }
        self._train_losses.clear()
        self._val.clear()
        self.history.append(metrics)
        # What stops a training and chooses its best epoch.
        self.log("val_loss", metrics["val_loss"], logger=False)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimiser and how its learning rate goes."""
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        parameters = self.network.parameters()
        optimizer = {
            "adamw": lambda: torch.optim.AdamW(parameters, lr=rate, weight_decay=decay),
            "adam": lambda: torch.optim.Adam(parameters, lr=rate, weight_decay=decay),
            "sgd": lambda: torch.optim.SGD(
                parameters, lr=rate, weight_decay=decay, momentum=MOMENTUM, nesterov=True
            ),
        }[self.settings.optimiser]()
        steps = int(self.trainer.estimated_stepping_batches)
        if self.settings.schedule == "constant":
            return {"optimizer": optimizer}
        if self.settings.schedule == "cosine":
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        else:
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, max_lr=rate, total_steps=steps, pct_start=WARM_UP
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


def _shares(called: NDArray[np.bool_], labels: NDArray[np.bool_]) -> EpochMetrics:
    """Return accuracy, precision and recall at even odds; 0 where nothing is called real."""
    hits = float((called & labels).sum())
    return {
        "val_accuracy": float((called == labels).mean()),
        "val_precision": hits / max(float(called.sum()), 1.0),
        "val_recall": hits / float(labels.sum()),
    }


def _channels_last(images: Tensor) -> Tensor:
    """Use the layout whose convolutions are a quarter faster on a CPU."""
    return images.contiguous(memory_format=torch.channels_last)


def _mix(*numbers: int) -> int:
    """Make one 63-bit seed of some numbers, without collisions in practice."""
    state = np.random.SeedSequence(list(numbers)).generate_state(2)
    return (int(state[0]) << 31) ^ int(state[1])
