"""A dataset version for notebooks: its three sides, read by row."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.steps.learning.collect import collect_dataset
from astrid_assets.steps.learning.judging import judge_version
from astrid_assets.steps.learning.opening import open_dataset, require_dataset
from astrid_assets.steps.learning.recording import record_dataset
from astrid_assets.steps.learning.settings import CollectionSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import TrainingDataset
    from astrid_assets.tracking.client import Tracking


@dataclass(frozen=True)
class Side:
    """The train, val or test side of a version; ``side[i]`` is image, mask and label.

    Attributes
    ----------
    rows
        (n,), rows of the version.
    """

    arrays: DatasetArrays
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Cutouts, NDArray[np.uint8], bool]:
        """Return image (3, size, size), mask (size, size) and whether it is real."""
        row = self.rows[[index]]
        stamps = self.arrays.stamps
        return stamps.images_of(row)[0], stamps.masks_of(row)[0], bool(self.labels[index])

    def images(self) -> Cutouts:
        """Return all cutouts: (n, 3, size, size)."""
        return self.arrays.stamps.images_of(self.rows)

    def masks(self) -> NDArray[np.uint8]:
        """Return all training masks: (n, size, size)."""
        return self.arrays.stamps.masks_of(self.rows)

    @property
    def labels(self) -> NDArray[np.bool_]:
        """(n,), True for real."""
        return self.arrays.is_real[self.rows]

    @property
    def table(self) -> pl.DataFrame:
        """What is known of each sample."""
        return self.arrays.samples[self.rows]


@dataclass(frozen=True)
class TrainingData:
    """A frozen dataset version, opened; ``train, val, test = data`` gives its sides."""

    arrays: DatasetArrays

    @property
    def row(self) -> TrainingDataset:
        """The version in the catalogue."""
        return self.arrays.row

    @property
    def train(self) -> Side:
        """What a model learns from."""
        return self._side("train")

    @property
    def val(self) -> Side:
        """What training is stopped and thresholds are chosen by."""
        return self._side("val")

    @property
    def test(self) -> Side:
        """What a finished model is judged on."""
        return self._side("test")

    def __iter__(self) -> Iterator[Side]:
        """Yield train, val and test."""
        yield from (self.train, self.val, self.test)

    def _side(self, name: str) -> Side:
        return Side(self.arrays, self.arrays.indices(name))


def load_dataset(
    tools: Tools,
    tracking: Tracking,
    work_folder: Path,
    dataset_id: str | None,
    collection: Mapping[str, object],
) -> TrainingData:
    """Open a version, or collect one first; see `astrid_assets.api`."""
    if collection:
        by = getpass.getuser()
        settings = CollectionSettings.model_validate(collection)
        collected = collect_dataset(tools, settings, created_by=by)
        dataset, _ = judge_version(tools, collected, settings, work_folder, by=by)
        arrays = open_dataset(tools, dataset.row, work_folder / "datasets")
        record_dataset(tools, tracking, dataset, arrays, {})
        dataset_id = dataset.row.id
    row = require_dataset(tools, dataset_id)
    return TrainingData(open_dataset(tools, row, work_folder / "datasets"))
