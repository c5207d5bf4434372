"""Shards of cutouts and masks: written and fetched one at a time, in bounded memory.

Rows come in the order of night, frame and detection. A shard ends after a row whose
detection's id says so, not after a fixed number: a row that is added or left out
changes the shard it belongs to and no other, so versions of a dataset share nearly all
their shards, in the store and in the work folder.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections import OrderedDict, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.detection.measurements import unmeasured
from astrid_assets.science.labelling.masks import training_mask
from astrid_assets.storage.objects import layout
from astrid_assets.storage.objects.cutout_files import MeasuredCutouts, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from astrid_assets.learning.stamps import Stamps
    from astrid_assets.science.detection.measurements import Measurements
    from astrid_assets.storage.database.tables.learning import TrainingDataset
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.storage.review.labels import LabelledRow

ROWS = 1024
"""Mean number of rows of a shard: 50 MB of cutouts."""

MOST_ROWS = 2 * ROWS
FILES_KEPT = 8
"""Cutout files open at once; rows come frame by frame, so one is nearly always enough."""


@dataclass(frozen=True)
class Shard:
    """Some rows of a dataset version in the store."""

    images: str
    masks: str
    rows: int


@dataclass(frozen=True)
class WrittenShards:
    """The shards of a version, and what was measured as they were written.

    Attributes
    ----------
    image_hashes
        (n,), SHA-256 of each cutout's pixels.
    sample_hashes
        (n,), SHA-256 of each cutout with its mask and label.
    measurements
        (n, len(MEASUREMENTS)), what detection measured of each.
    """

    shards: tuple[Shard, ...]
    image_hashes: NDArray[np.str_]
    sample_hashes: NDArray[np.str_]
    measurements: Measurements

    def as_json(self) -> list[dict[str, object]]:
        """Return the shards in the form that the catalogue keeps."""
        return [asdict(shard) for shard in self.shards]

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield object key and index of each row's cutout and mask, ``key#17``."""
        for shard in self.shards:
            for index in range(shard.rows):
                yield f"{shard.images}#{index}", f"{shard.masks}#{index}"


class CutoutReader:
    """Cutouts by object key and row, through files: a night of alerts may be a gigabyte.

    Used as a context: its files are removed at the end.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._folder = tempfile.TemporaryDirectory(prefix="astrid-cutouts-")
        self._open: OrderedDict[str, tuple[Path, NDArray[Any]]] = OrderedDict()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the files."""
        self._open.clear()
        self._folder.cleanup()

    def read(self, places: Sequence[tuple[str, int]]) -> MeasuredCutouts:
        """Return cutouts by object key and row."""
        wanted: dict[str, list[int]] = defaultdict(list)
        for position, (key, _) in enumerate(places):
            wanted[key].append(position)
        pixels = np.empty((len(places), 3, CUTOUT_SIZE, CUTOUT_SIZE), dtype=np.float32)
        measurements = unmeasured(len(places))
        for key, positions in wanted.items():
            some = rows_of(self._stack(key), [places[position][1] for position in positions])
            pixels[positions], measurements[positions] = some.pixels, some.measurements
        return MeasuredCutouts(pixels, measurements)

    def _stack(self, key: str) -> NDArray[Any]:
        if key not in self._open:
            if len(self._open) == FILES_KEPT:
                _, (oldest, _) = self._open.popitem(last=False)
                oldest.unlink()
            path = Path(self._folder.name) / key.rsplit("/", 1)[-1]
            self._store.get_to_file(key, path)
            self._open[key] = path, np.load(path, mmap_mode="r", allow_pickle=False)
        self._open.move_to_end(key)
        return self._open[key][1]


def shard_bounds(detection_ids: Sequence[str]) -> list[tuple[int, int]]:
    """Return first row and row after the last of each shard."""
    bounds, start = [], 0
    for row, detection_id in enumerate(detection_ids):
        n_rows = row + 1 - start
        digest = hashlib.sha256(detection_id.encode()).digest()
        if int.from_bytes(digest[:4]) % ROWS == 0 or n_rows == MOST_ROWS:
            bounds.append((start, row + 1))
            start = row + 1
    if start < len(detection_ids):
        bounds.append((start, len(detection_ids)))
    return bounds


def read_in_parts(
    store: ObjectStore, rows: Sequence[LabelledRow], use: Callable[[int, MeasuredCutouts], None]
) -> None:
    """Read the cutouts of labelled detections, some at a time.

    Parameters
    ----------
    rows
        In the order of night, frame and detection.
    use
        Called for each part with its first row and its cutouts.
    """
    with CutoutReader(store) as cutouts:
        for start, stop in shard_bounds([row.detection_id for row in rows]):
            part = rows[start:stop]
            use(start, cutouts.read([(row.cutout_key, row.cutout_index) for row in part]))


def write_shards(
    store: ObjectStore,
    rows: Sequence[LabelledRow],
    drawn: Mapping[str, NDArray[np.uint8]],
    on_progress: Callable[[int, int], None] | None = None,
) -> WrittenShards:
    """Put the cutouts and masks of labelled detections into the store, shard by shard.

    Parameters
    ----------
    rows
        In the order of night, frame and detection.
    drawn
        Masks that reviewers drew, by detection.
    on_progress
        Called after each shard with the rows written, and all there are.
    """
    shards: list[Shard] = []
    image_hashes: list[str] = []
    sample_hashes: list[str] = []
    measurements = unmeasured(len(rows))

    def write(start: int, cutouts: MeasuredCutouts) -> None:
        images = cutouts.pixels
        part = rows[start : start + len(images)]
        measurements[start : start + len(images)] = cutouts.measurements
        masks = np.stack(
            [
                training_mask(
                    row.label, row.fwhm_px, CUTOUT_SIZE, drawn=drawn.get(row.detection_id)
                )
                for row in part
            ]
        )
        for row, image, mask in zip(part, images, masks, strict=True):
            digest = hashlib.sha256(image.tobytes())
            image_hashes.append(digest.hexdigest())
            digest.update(mask.tobytes() + row.label.encode())
            sample_hashes.append(digest.hexdigest())
        shards.append(Shard(_put(store, "images", images), _put(store, "masks", masks), len(part)))
        if on_progress is not None:
            on_progress(start + len(part), len(rows))

    read_in_parts(store, rows, write)
    return WrittenShards(
        tuple(shards), np.array(image_hashes), np.array(sample_hashes), measurements
    )


def fetch_shards(store: ObjectStore, row: TrainingDataset, folder: Path) -> Stamps:
    """Fetch the shards of a version into a local folder, each once for all versions."""
    from astrid_assets.learning.stamps import Stamps

    return Stamps(
        tuple(fetch(store, shard["images"], folder) for shard in row.shards),
        tuple(fetch(store, shard["masks"], folder) for shard in row.shards),
    )


def fetch(store: ObjectStore, key: str, folder: Path) -> Path:
    """Return an object as a local file of its name, fetched where it is not there yet.

    A killed download leaves a part file only, which `astrid doctor --fix` removes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / key.rsplit("/", 1)[-1]
    if not path.exists():
        store.get_to_file(key, path)
    return path


def _put(store: ObjectStore, what: str, array: NDArray[np.generic]) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return store.put(layout.shard_key(what), buffer.getvalue(), ".npy")
