"""Cutouts for training: shards on disk (`stamps`), batches in memory."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from astrid_assets.science.detection.measurements import MEASUREMENTS, unmeasured
from astrid_assets.science.labelling.split_names import SPARE, SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from astrid_assets.learning.stamps import Stamps
    from astrid_assets.science.detection.measurements import Measurements

TRAIN, VAL, TEST = SPLITS


class UnusableDataset(ValueError):
    """The arrays cannot be trained on; the message says which, and why."""


@dataclass(frozen=True)
class TrainArrays:
    """What is known of each cutout; both arrays have shape ``(n,)``.

    Attributes
    ----------
    labels
        1 real, 0 bogus.
    split
        ``train``, ``val`` or ``test``, frozen with the dataset; `SPARE`: none of them.
    weights
        How much each counts in the loss; None: all the same.
    measurements
        (n, len(MEASUREMENTS)), what detection measured of each; None: nothing.
    """

    labels: NDArray[np.uint8]
    split: NDArray[np.str_]
    weights: NDArray[np.float32] | None = None
    measurements: Measurements | None = None

    def __post_init__(self) -> None:
        if self.labels.shape != self.split.shape or self.labels.ndim != 1:
            raise UnusableDataset(
                f"labels {self.labels.shape} and split {self.split.shape} must be two "
                "lists of the same length"
            )
        if self.weights is not None and (
            self.weights.shape != self.labels.shape
            or not np.isfinite(self.weights).all()
            or (self.weights < 0).any()
        ):
            raise UnusableDataset("weights must be one number of at least 0 for each label")
        wanted = (len(self.labels), len(MEASUREMENTS))
        if self.measurements is not None and self.measurements.shape != wanted:
            raise UnusableDataset(
                f"measurements need the shape {wanted}, found {self.measurements.shape}"
            )
        if unknown := set(np.unique(self.labels).tolist()) - {0, 1}:
            raise UnusableDataset(f"labels must be 0 or 1, found {sorted(unknown)[:5]}")
        if unknown := set(np.unique(self.split).tolist()) - {*SPLITS, SPARE}:
            raise UnusableDataset(f"split must be train, val or test, found {sorted(unknown)[:5]}")
        for name in (TRAIN, VAL):
            present = set(self.labels[self.split == name].tolist())
            if present != {0, 1}:
                raise UnusableDataset(
                    f"the {name} split needs both real and bogus cutouts, it has "
                    f"{(self.labels[self.split == name] == 1).sum()} real of "
                    f"{(self.split == name).sum()}; label more detections"
                )

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the row numbers of one split, ascending."""
        return np.flatnonzero(self.split == split).astype(np.int64)

    @property
    def measured(self) -> Measurements:
        """(n, len(MEASUREMENTS)), NaN where nothing was measured."""
        return unmeasured(len(self.labels)) if self.measurements is None else self.measurements

    def digest(self) -> str:
        """Return a SHA-256 of all of it, to recognise the same data."""
        content = hashlib.sha256(self.labels.astype(np.uint8).tobytes())
        content.update("\n".join(self.split.tolist()).encode())
        if self.weights is not None:
            content.update(self.weights.astype(np.float32).tobytes())
        if self.measurements is not None:
            content.update(self.measurements.astype(np.float32).tobytes())
        return content.hexdigest()


class CutoutRows(Dataset[dict[str, "Tensor"]]):
    """Rows of the arrays on disk, fetched a batch at a time."""

    def __init__(self, stamps: Stamps, samples: TrainArrays) -> None:
        labels = samples.labels
        if len(stamps) != len(labels):
            raise UnusableDataset(
                f"{len(labels)} labels need as many cutouts, found {len(stamps)} in "
                f"{len(stamps.images)} shards"
            )
        self.stamps = stamps
        self.labels = labels
        self.weights = samples.weights
        self.measurements = samples.measured

    def __len__(self) -> int:
        """Count the cutouts of all splits."""
        return len(self.labels)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        """Return one cutout as a batch of one."""
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]) -> dict[str, Tensor]:
        """Return the rows asked for, already stacked."""
        wanted = np.asarray(rows, dtype=np.int64)
        images = self.stamps.images_of(wanted)
        masks = self.stamps.masks_of(wanted).astype(np.float32)[:, None]
        labels = self.labels[wanted].astype(np.float32)
        batch = {
            "images": torch.from_numpy(images),  # (B, 3, H, W)
            "masks": torch.from_numpy(masks),  # (B, 1, H, W)
            "labels": torch.from_numpy(labels),  # (B,)
            "measurements": torch.from_numpy(self.measurements[wanted]),  # (B, M)
        }
        if self.weights is not None:
            batch["weights"] = torch.from_numpy(self.weights[wanted].astype(np.float32))
        return batch


class EpochShuffle(Sampler[int]):
    """Rows in an order that depends on seed and epoch alone.

    An epoch has as many draws as there are rows, and at least `at_least`: a few rows are
    gone through several times, each time in another order. A class that makes up less
    than `rarest` of the rows is drawn more often until it does; the calibration on the
    val split, which is never balanced, puts the probabilities right again.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        labels: NDArray[np.uint8],
        seed: int,
        *,
        at_least: int = 1,
        rarest: float = 0.0,
    ) -> None:
        self.pools = [rows[labels[rows] == label] for label in (0, 1)]
        self.seed = seed
        self.epoch = 0
        draws = max(len(rows), at_least)
        share = min(max(len(self.pools[1]) / len(rows), rarest), 1 - rarest)
        real = round(draws * share)
        self.draws = (draws - real, real)

    def set_epoch(self, epoch: int) -> None:
        """Remember the epoch; Lightning calls this before each one."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Yield the draws of the epoch."""
        order = np.random.default_rng([self.seed, self.epoch])
        drawn = [
            np.concatenate([order.permutation(pool) for _ in range(math.ceil(count / len(pool)))])[
                :count
            ]
            for pool, count in zip(self.pools, self.draws, strict=True)
            if count
        ]
        yield from order.permutation(np.concatenate(drawn)).tolist()

    def __len__(self) -> int:
        """Count the draws of an epoch."""
        return sum(self.draws)


class CutoutData(lightning.LightningDataModule):
    """The train and val splits of one dataset version."""

    def __init__(
        self,
        stamps: Stamps,
        samples: TrainArrays,
        *,
        batch_size: int,
        seed: int,
        cutouts_per_epoch: int = 1,
        rarest: float = 0.0,
    ) -> None:
        super().__init__()
        self.cutouts_per_epoch = cutouts_per_epoch
        self.rarest = rarest
        self.samples = samples
        self.batch_size = batch_size
        self.seed = seed
        self.cutouts = CutoutRows(stamps, samples)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return shuffled batches, all of the same size.

        What is left over waits for another epoch: a batch of one or two would
        unsettle the batch normalisation.
        """
        order = EpochShuffle(
            self.samples.rows(TRAIN),
            self.samples.labels,
            self.seed,
            at_least=self.cutouts_per_epoch,
            rarest=self.rarest,
        )
        return DataLoader(
            self.cutouts,
            batch_size=min(self.batch_size, len(order)),
            sampler=order,
            drop_last=True,
            collate_fn=_already_stacked,
        )

    @property
    def cutouts_each_epoch(self) -> int:
        """Count what is trained on in an epoch: whole batches."""
        loader = self.train_dataloader()
        return len(loader) * (loader.batch_size or 0)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return the val split in order."""
        return DataLoader(
            self.cutouts,
            batch_size=self.batch_size,
            sampler=self.samples.rows(VAL).tolist(),
            collate_fn=_already_stacked,
        )


def _already_stacked(batch: object) -> object:
    return batch
