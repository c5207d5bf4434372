"""Cutouts and masks of a dataset version in local shard files, read row by row.

A version of a hundred thousand cutouts is 5 GB: read by row it costs no memory for
what is not read. Not memory-mapped: what the system brings in around the rows that are
read counts as memory of the process, in the end the whole version.

A shard's name holds the hash of its content, so names alone say which pixels a training
sees.
"""

from __future__ import annotations

import hashlib
import os
import re
import weakref
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Kind = TypeVar("Kind", bound=np.generic)

MAX_OPEN = 256
"""Files of each kind that are open at once; processes may open about a thousand."""

ROWS_PER_SHARD = 1024
HASHED_NAME = re.compile(r"\.[0-9a-f]{32}\.npy\Z")


@dataclass(frozen=True)
class Stamps:
    """Cutouts and masks in shard files; row i of the version is row i here.

    Attributes
    ----------
    images
        ``.npy`` shards, (m, channels, size, size) float32, in the order of the rows.
    masks
        ``.npy`` shards, (m, size, size) uint8; as many rows in each as in `images`.

    Raises
    ------
    ValueError
        If shards do not fit together or a name holds no hash of the content.
    """

    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    _starts: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _images: _Shards[np.float32] = field(init=False, repr=False, compare=False)
    _masks: _Shards[np.uint8] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for path in (*self.images, *self.masks):
            if not HASHED_NAME.search(path.name):
                raise ValueError(
                    f"{path.name} holds no hash of its content, by which a training knows its "
                    "data again: write shards with `write_stamps`"
                )
        images, masks = _Shards(self.images, np.float32), _Shards(self.masks, np.uint8)
        counts = [shape[0] for shape in images.shapes]
        if not counts or counts != [shape[0] for shape in masks.shapes]:
            raise ValueError(
                f"{len(self.images)} shards of images with {sum(counts)} rows need as many masks "
                f"in as many shards, found {sum(shape[0] for shape in masks.shapes)} in "
                f"{len(self.masks)}"
            )
        channels_and_sides = {shape[1:] for shape in images.shapes}
        sides = {shape[1:] for shape in masks.shapes}
        if len(channels_and_sides) != 1 or sides != {next(iter(channels_and_sides))[1:]}:
            raise ValueError(
                f"images need one shape (channels, size, size) and masks (size, size), found "
                f"{sorted(channels_and_sides)} and {sorted(sides)}"
            )
        object.__setattr__(self, "_starts", np.cumsum([0, *counts]))
        object.__setattr__(self, "_images", images)
        object.__setattr__(self, "_masks", masks)

    def __reduce__(self) -> tuple[type[Stamps], tuple[tuple[Path, ...], tuple[Path, ...]]]:
        """Travel to other processes by path, without what is open here."""
        return Stamps, (self.images, self.masks)

    def __len__(self) -> int:
        """Count the cutouts."""
        return int(self._starts[-1])

    @property
    def channels(self) -> int:
        """Number of planes of a cutout."""
        return self._images.shapes[0][1]

    @property
    def size(self) -> int:
        """Side of a cutout in pixels."""
        return self._images.shapes[0][-1]

    def images_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cutouts of some rows: (k, channels, size, size), a copy."""
        return self._read(self._images, rows)

    def masks_of(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the masks of some rows: (k, size, size), a copy."""
        return self._read(self._masks, rows)

    def digest(self) -> str:
        """Return a SHA-256 of the shards' names, which are hashes of their content."""
        names = "\n".join(path.name for path in (*self.images, *self.masks))
        return hashlib.sha256(names.encode()).hexdigest()

    def _read(self, shards: _Shards[Kind], rows: NDArray[np.int64]) -> NDArray[Kind]:
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)} cutouts")
        found = np.empty((len(rows), *shards.shapes[0][1:]), dtype=shards.dtype)
        which = np.searchsorted(self._starts, rows, side="right") - 1
        for position, (shard, row) in enumerate(
            zip(which.tolist(), (rows - self._starts[which]).tolist(), strict=True)
        ):
            shards.read(shard, row, found[position])
        return found


class _Shards(Generic[Kind]):
    """Shard files, opened when they are read."""

    def __init__(self, paths: tuple[Path, ...], dtype: type[Kind]) -> None:
        self.paths = paths
        self.dtype = np.dtype(dtype)
        self._open: dict[int, int] = {}
        weakref.finalize(self, _close, self._open)

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the shards, from their headers."""
        return tuple(shape for shape, _ in self._headers)

    @cached_property
    def _headers(self) -> list[tuple[tuple[int, ...], int]]:
        """Shape of each shard, and the byte at which its content begins."""
        found = []
        for path in self.paths:
            with path.open("rb") as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, is_fortran, dtype = read(file)
                if is_fortran or dtype != self.dtype:
                    raise ValueError(f"{path.name} holds {dtype}, {self.dtype} is needed")
                found.append((shape, file.tell()))
        return found

    def read(self, shard: int, row: int, into: NDArray[Kind]) -> None:
        """Read one row of a shard.

        Raises
        ------
        OSError
            If the file ends before.
        """
        _, offset = self._headers[shard]
        if shard not in self._open:
            if len(self._open) >= MAX_OPEN:
                _close(self._open)
            self._open[shard] = os.open(self.paths[shard], os.O_RDONLY | os.O_CLOEXEC)
        # A read at an offset moves nothing that another thread relies on.
        got = os.preadv(self._open[shard], [into.data], offset + row * into.nbytes)
        if got != into.nbytes:
            raise OSError(
                f"{self.paths[shard]} ends within row {row}: remove it, and it is fetched again"
            )


def _close(files: dict[int, int]) -> None:
    while files:
        os.close(files.popitem()[1])


def write_stamps(
    folder: Path,
    images: NDArray[np.float32],
    masks: NDArray[np.uint8],
    rows_per_shard: int = ROWS_PER_SHARD,
) -> Stamps:
    """Write arrays as shards into a folder, each named by the hash of its content.

    Parameters
    ----------
    images : (n, channels, size, size)
    masks : (n, size, size)
    """
    folder.mkdir(parents=True, exist_ok=True)
    return Stamps(
        tuple(_written(folder, "images", images.astype(np.float32), rows_per_shard)),
        tuple(_written(folder, "masks", masks.astype(np.uint8), rows_per_shard)),
    )


def _written(
    folder: Path, what: str, array: NDArray[np.generic], rows_per_shard: int
) -> Iterator[Path]:
    for start in range(0, len(array), rows_per_shard):
        part = folder / f"{what}.part.npy"
        np.save(part, array[start : start + rows_per_shard])
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield part.replace(folder / f"{what}.{digest[:32]}.npy")
