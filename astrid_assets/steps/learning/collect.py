"""Freeze a training dataset: labelled cutouts, masks, splits, quality; one version.

A version is the hash of its content, so collecting the same labels again finds the
version that exists. Images and masks are shards in the store (`shards`) beside one table
of samples; a sample's `image_path` and `mask_path` name object and row (``key#17``).
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.labelling.split_names import SPARE
from astrid_assets.steps.learning.freezing import (
    content_hash_of,
    description_of,
    freeze,
    sample_rows,
    samples_table,
)
from astrid_assets.steps.learning.quality import (
    CutoutMeters,
    ask_about_suspects,
    measure_version,
)
from astrid_assets.steps.learning.selection import Chosen, Selection, choose_samples
from astrid_assets.steps.learning.shards import (
    CutoutReader,
    read_in_parts,
    write_shards,
)
from astrid_assets.steps.learning.sides import Move, Sides, sides_of
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.queries.dataset_states import REFUSED, UNJUDGED
from astrid_assets.storage.review.drawn_masks import drawn_masks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.science.labelling.dataset_quality import DataQualityReport
    from astrid_assets.science.labelling.duplicates import DuplicateSearch
    from astrid_assets.steps.learning.settings import CollectionSettings
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.objects.cutout_files import MeasuredCutouts
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.storage.review.labels import LabelledRow

SHOWN_PER_CLASS = 5


@dataclass(frozen=True)
class DatasetVersion:
    """A frozen dataset and what is known of it."""

    row: TrainingDataset
    quality: DataQualityReport
    split_counts: dict[str, int]
    real: NDArray[np.bool_]
    examples: Cutouts
    """Some cutouts of each class, real ones first."""
    example_names: tuple[str, ...]
    """Number, label and detection of each of them."""
    moves: tuple[Move, ...]
    """Groups that changed their side because they were merged."""
    collected: CollectionReport
    is_new: bool


@dataclass(frozen=True)
class CollectionReport:
    """What a collection did.

    Attributes
    ----------
    considered, kept
        Detections looked at, and taken.
    left_out
        Detections that were not taken, by reason.
    seconds
        Wall time.
    """

    considered: int
    kept: int
    left_out: dict[str, int]
    seconds: float


def collect_dataset(
    tools: Tools,
    settings: CollectionSettings,
    *,
    created_by: str = "astrid",
    on_progress: Callable[[str, int, int], None] | None = None,
) -> DatasetVersion:
    """Freeze the labelled detections into a dataset version.

    A new version is refused until `judging` gave its verdict; of a version that exists
    nothing is changed.

    Parameters
    ----------
    created_by
        Name of the user or program that asks for it.
    on_progress
        Called with what is done, how many cutouts of it, and of how many.

    Raises
    ------
    TooFewLabels
        If fewer than ``min_samples`` labelled detections fit, or one class is absent.
    TooFewGroups
        If they are of too few objects to give each split both classes.
    """
    started = time.monotonic()
    tell = on_progress or _silent
    with tools.catalogue.read() as session:
        selection = choose_samples(session, settings)
        drawn = drawn_masks(session, [one.row.detection_id for one in selection.chosen])
    taken = _with_sides(tools, selection, settings, tell)
    chosen, sides = taken.chosen, taken.sides
    rows = [one.row for one in chosen]
    written = write_shards(tools.store, rows, drawn, partial(tell, "writing shards"))
    real = np.array([one.is_real for one in chosen], dtype=bool)
    samples = samples_table(chosen, sides, written, settings)
    content_hash = content_hash_of(samples, settings)
    report = CollectionReport(
        considered=selection.considered,
        kept=len(chosen),
        left_out=dict(+selection.left_out),
        seconds=time.monotonic() - started,
    )
    measured = measure_version(
        tools,
        rows,
        real,
        taken.meters,
        written.image_hashes,
        taken.duplicates,
        sides,
        settings,
        judges=np.array([one.may_judge for one in chosen], dtype=bool),
        # Only what trains is drawn.
        weight=np.where(sides.side == "train", samples["weight"].to_numpy(), 0.0),
    )
    quality = measured.report
    examples, example_names = _examples(tools.store, chosen)
    stored, is_new = freeze(
        tools,
        TrainingDataset(
            id=ids.dataset_id(content_hash),
            content_hash=content_hash,
            name=settings.name,
            description=settings.description or description_of(samples),
            collection_params=settings.model_dump(mode="json"),
            total_samples=len(rows),
            anomaly_ratio=float(real.mean()),
            quality_score=quality.quality_score,
            quality_report=quality.as_dict() | sides.as_dict(),
            collection_report=asdict(report),
            shards=written.as_json(),
            samples_key="",
            last_sequence=selection.last_sequence,
            created_at=now(),
            created_by=created_by,
            status=REFUSED,
            status_reason=UNJUDGED,
            status_by=created_by,
            status_at=now(),
        ),
        samples,
        sample_rows(chosen, samples, ids.dataset_id(content_hash), written),
    )
    ask_about_suspects(tools, measured.suspects)
    return DatasetVersion(
        stored,
        quality,
        dict(Counter(samples["split"].to_list())),
        real,
        examples,
        example_names,
        sides.moves,
        report,
        is_new=is_new,
    )


def _silent(what: str, done: int, of: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class _Taken:
    """What a version takes, with the side of each, and what was measured of the cutouts."""

    chosen: list[Chosen]
    sides: Sides
    meters: CutoutMeters
    duplicates: NDArray[np.str_]


def _with_sides(
    tools: Tools,
    selection: Selection,
    settings: CollectionSettings,
    tell: Callable[[str, int, int], None],
) -> _Taken:
    """Give every detection its side: what may only train is spare where it would judge."""
    rows = [one.row for one in selection.chosen]
    may_judge = np.array([one.may_judge for one in selection.chosen], dtype=bool)
    meters = CutoutMeters(len(rows))
    hashes: list[str] = []

    def measure(first: int, cutouts: MeasuredCutouts) -> None:
        images = cutouts.pixels
        meters.add(first, images)
        hashes.extend(hashlib.sha256(image.tobytes()).hexdigest() for image in images)
        tell("measuring cutouts", len(hashes), len(rows))

    read_in_parts(tools.store, rows, measure)
    duplicates = _duplicates(tools.store, rows, meters.duplicates, settings)
    sides = sides_of(
        tools,
        rows,
        np.array([one.is_real for one in selection.chosen], dtype=bool),
        np.array(hashes),
        duplicates,
        settings,
        judges=may_judge,
    )
    is_spare = ~may_judge & (sides.side != "train")
    side = np.where(is_spare, SPARE, sides.side)
    return _Taken(selection.chosen, replace(sides, side=side), meters, duplicates)


def read_cutouts(store: ObjectStore, places: Sequence[tuple[str, int]]) -> Cutouts:
    """Read cutouts by object key and row: (n, 3, size, size), each object once."""
    with CutoutReader(store) as reader:
        return reader.read(places).pixels


def _examples(store: ObjectStore, chosen: Sequence[Chosen]) -> tuple[Cutouts, tuple[str, ...]]:
    """Return some cutouts of each class with their names, spread over the version."""
    shown: list[Chosen] = []
    for real in (True, False):
        own = [one for one in chosen if one.is_real == real]
        shown += [
            own[i] for i in np.unique(np.linspace(0, len(own) - 1, SHOWN_PER_CLASS, dtype=int))
        ]
    images = read_cutouts(store, [(one.row.cutout_key, one.row.cutout_index) for one in shown])
    names = [f"{n:02d}_{one.row.label}_{one.row.detection_id}" for n, one in enumerate(shown, 1)]
    return images, tuple(names)


def _duplicates(
    store: ObjectStore,
    rows: Sequence[LabelledRow],
    search: DuplicateSearch,
    settings: CollectionSettings,
) -> NDArray[np.str_]:
    """Return one key per group of near-duplicates; candidates are read once more."""
    with CutoutReader(store) as reader:

        def score(some: NDArray[np.int64]) -> NDArray[np.float32]:
            wanted = [rows[row] for row in some.tolist()]
            found = reader.read([(row.cutout_key, row.cutout_index) for row in wanted])
            return found.pixels[:, -1]

        return search.keys(score, settings.duplicate_correlation)
