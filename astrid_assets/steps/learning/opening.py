"""A frozen dataset version, opened: which one, its table of samples, its cutouts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from astrid_assets.science.detection.measurements import MEASUREMENTS, as_columns
from astrid_assets.steps.learning.settings import NoDataset
from astrid_assets.steps.learning.shards import fetch, fetch_shards
from astrid_assets.storage.queries import datasets
from astrid_assets.storage.queries.dataset_states import why_unusable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.learning.stamps import Stamps
    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.science.detection.measurements import Measurements
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import TrainingDataset

MEASURED = "measured_"
"""Begins the names of the columns with what detection measured."""


@dataclass(frozen=True)
class DatasetArrays:
    """A dataset version in local files, in the order of its samples.

    Attributes
    ----------
    manifest
        The table of samples, read lazily: only the columns that are asked for.
    """

    row: TrainingDataset
    stamps: Stamps
    manifest: pl.LazyFrame

    @cached_property
    def samples(self) -> pl.DataFrame:
        """The whole table of samples."""
        return self.manifest.collect()

    @property
    def is_real(self) -> NDArray[np.bool_]:
        """(n,), True for real."""
        return (self.samples["label"] == "real").to_numpy()

    def indices(self, split: str) -> NDArray[np.int64]:
        """Return the rows of one split."""
        return np.flatnonzero((self.samples["split"] == split).to_numpy())

    def measurements(self, rows: NDArray[np.int64] | None = None) -> Measurements:
        """Return what was measured of some rows, or all: (n, len(MEASUREMENTS)).

        NaN where a number was not measured, as in versions of before.
        """
        names = [name for name in MEASUREMENTS if MEASURED + name in self.samples.columns]
        wanted = np.arange(len(self.samples)) if rows is None else rows
        known = {
            name: self.samples[MEASURED + name].to_numpy().astype(np.float32)[wanted]
            for name in names
        }
        return as_columns(known, len(wanted))

    def images(self, rows: NDArray[np.int64]) -> Cutouts:
        """Return the cutouts of some rows: (n, 3, size, size)."""
        return self.stamps.images_of(rows)


def require_dataset(tools: Tools, dataset_id: str | None = None) -> TrainingDataset:
    """Return a dataset version that may be trained on.

    Parameters
    ----------
    dataset_id
        Its id or the beginning of it, or of its content hash; None: the version that
        became active last.

    Raises
    ------
    NoDataset
        If there is none, or it was refused or retired.
    """
    with tools.catalogue.read() as session:
        if dataset_id is None:
            row = datasets.newest_dataset(session)
            others = [] if row else datasets.all_datasets(session)
        else:
            row, others = datasets.find_dataset(session, dataset_id), []
    if row is None:
        raise NoDataset(_why_none(dataset_id, others))
    if reason := why_unusable(row):
        raise NoDataset(reason)
    return row


def _why_none(dataset_id: str | None, others: Sequence[TrainingDataset]) -> str:
    if dataset_id is not None:
        return f"there is no dataset {dataset_id}: astrid dataset list shows those there are"
    if others:
        return why_unusable(others[0]) or "there is no active dataset: collect one"
    return "there is no training dataset yet: label detections, then astrid dataset collect"


def open_dataset(tools: Tools, row: TrainingDataset, folder: Path) -> DatasetArrays:
    """Fetch a dataset version into the folder that all versions share.

    Parameters
    ----------
    folder
        Holds shards and tables by the hash of their content; what is there is not
        fetched again.
    """
    stamps = fetch_shards(tools.store, row, folder)
    return DatasetArrays(row, stamps, pl.scan_parquet(fetch(tools.store, row.samples_key, folder)))
