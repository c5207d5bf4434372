"""Freeze a training dataset: labelled cutouts, masks, splits, quality; one version.

A version is the hash of its content, so collecting the same labels again finds the
version that exists. Images and masks are shards in the store (`shards`) beside one table
of samples; a sample's `image_path` and `mask_path` name object and row (``key#17``).
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from astrid_assets.steps import versions
from astrid_assets.steps.learning.quality import (
    CutoutMeters,
    ask_about_suspects,
    measure_version,
)
from astrid_assets.steps.learning.settings import CollectionSettings, TooFewLabels
from astrid_assets.steps.learning.shards import CutoutReader, WrittenShards, write_shards
from astrid_assets.steps.learning.sides import Move, Sides, sides_of
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import TrainingDataset, TrainingSample
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.drawn_masks import drawn_masks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.science.labelling.dataset_quality import DataQualityReport
    from astrid_assets.science.labelling.duplicates import DuplicateSearch
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.storage.review.labels import LabelledRow

SHOWN_PER_CLASS = 6
ROWS_AT_ONCE = 5000
"""Samples that are written by one statement."""


@dataclass(frozen=True)
class DatasetVersion:
    """A frozen dataset and what is known of it."""

    row: TrainingDataset
    quality: DataQualityReport
    split_counts: dict[str, int]
    real: NDArray[np.bool_]
    examples: Cutouts
    """Some cutouts of each class, real ones first."""
    moves: tuple[Move, ...]
    """Groups that changed their side because they were merged."""
    is_new: bool


def collect_dataset(
    tools: Tools, settings: CollectionSettings, *, created_by: str = "astrid"
) -> DatasetVersion:
    """Freeze the labelled detections into a dataset version.

    Raises
    ------
    TooFewLabels
        If fewer than ``min_samples`` labelled detections fit, or one class is absent.
    TooFewGroups
        If they are of too few objects to give each split both classes.
    """
    rows, drawn, last_sequence = _selected(tools, settings)
    real = np.array([row.label == "real" for row in rows], dtype=bool)
    meters = CutoutMeters(len(rows))
    written = write_shards(tools.store, rows, drawn, meters.add)
    duplicates = _duplicates(tools.store, rows, meters.duplicates, settings)
    sides = sides_of(tools, rows, real, written.image_hashes, duplicates, settings)
    samples = _table(rows, sides, written)
    content_hash = _content_hash(samples, settings)
    dataset_id = ids.dataset_id(content_hash)
    measured = measure_version(
        tools, rows, real, meters, written.image_hashes, duplicates, sides, settings
    )
    quality = measured.report
    with tools.catalogue.read() as session:
        known = session.get(TrainingDataset, dataset_id)
    created = now()
    row = TrainingDataset(
        id=dataset_id,
        content_hash=content_hash,
        name=settings.name,
        collection_params=settings.model_dump(mode="json"),
        total_samples=len(rows),
        anomaly_ratio=float(real.mean()),
        quality_score=quality.quality_score,
        quality_report=quality.as_dict() | sides.as_dict(),
        shards=written.as_json(),
        samples_key=_put_table(tools.store, content_hash, samples),
        last_sequence=last_sequence,
        mlflow_run_id=known.mlflow_run_id if known else None,
        created_at=created,
        created_by=created_by,
        status_at=created,
    )
    with tools.catalogue.begin() as session:
        upsert(session, [row])
        made = _sample_rows(rows, samples, dataset_id, written)
        while some := list(islice(made, ROWS_AT_ONCE)):
            upsert(session, some)
        stored = session.get_one(TrainingDataset, dataset_id)
    ask_about_suspects(tools, measured.suspects)
    return DatasetVersion(
        stored,
        quality,
        dict(Counter(sides.side.tolist())),
        real,
        _examples(tools.store, rows, real),
        sides.moves,
        is_new=known is None,
    )


def _selected(
    tools: Tools, settings: CollectionSettings
) -> tuple[list[LabelledRow], dict[str, NDArray[np.uint8]], int]:
    """Return the labelled detections that fit, the masks drawn on them, and the last event."""
    with tools.catalogue.read() as session:
        rows = labels.labelled_detections(
            session,
            surveys=settings.survey_ids or None,
            start=settings.start,
            end=settings.end,
            sources=settings.sources,
        )
        last_sequence = labels.last_sequence(session)
        drawn = drawn_masks(session, [row.detection_id for row in rows])
    rows = [row for row in rows if row.agreement >= settings.min_agreement]
    # Frame by frame: rows of one file of cutouts stand together.
    rows = sorted(rows, key=lambda row: (row.night, row.observation_id, row.detection_id))
    rows = rows[-settings.max_samples :]
    n_real = sum(row.label == "real" for row in rows)
    if len(rows) < settings.min_samples or n_real in {0, len(rows)}:
        raise TooFewLabels(
            f"{len(rows)} labelled detections ({n_real} real) fit the "
            f"selection, at least {settings.min_samples} with both classes are "
            "needed: label more detections, backfill more nights, or widen "
            "the selection"
        )
    return rows, drawn, last_sequence


def read_cutouts(store: ObjectStore, places: Sequence[tuple[str, int]]) -> Cutouts:
    """Read cutouts by object key and row: (n, 3, size, size), each object once."""
    with CutoutReader(store) as reader:
        return reader.read(places)


def _examples(store: ObjectStore, rows: Sequence[LabelledRow], real: NDArray[np.bool_]) -> Cutouts:
    shown = [*np.flatnonzero(real)[:SHOWN_PER_CLASS], *np.flatnonzero(~real)[:SHOWN_PER_CLASS]]
    return read_cutouts(store, [(rows[row].cutout_key, rows[row].cutout_index) for row in shown])


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
            return reader.read([(row.cutout_key, row.cutout_index) for row in wanted])[:, -1]

        return search.keys(score, settings.duplicate_correlation)


def _table(rows: Sequence[LabelledRow], sides: Sides, written: WrittenShards) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "detection_id": [row.detection_id for row in rows],
            "observation_id": [row.observation_id for row in rows],
            "object_id": [row.object_id for row in rows],
            "survey": [row.survey for row in rows],
            "night": [row.night for row in rows],
            "label": [row.label for row in rows],
            "classification": [row.classification for row in rows],
            "source": [row.source for row in rows],
            "agreement": [row.agreement for row in rows],
            "score_sigma": [row.score_sigma for row in rows],
            "fwhm_px": [row.fwhm_px for row in rows],
            "split": sides.side,
            "group": sides.group,
            "sky": sides.places.sky,
            "ra_deg": sides.places.ra_deg,
            "dec_deg": sides.places.dec_deg,
            "frame": sides.places.frame,
            "x": [row.x for row in rows],
            "y": [row.y for row in rows],
            "pixel_hash": written.image_hashes,
            "content_hash": written.sample_hashes,
        }
    )


def _content_hash(samples: pl.DataFrame, settings: CollectionSettings) -> str:
    content = hashlib.sha256(ids.canonical_json([versions.COLLECT, settings.name]).encode())
    for row in samples.select("detection_id", "content_hash", "split").iter_rows():
        content.update(ids.canonical_json(row).encode())
    return content.hexdigest()


def _put_table(store: ObjectStore, content_hash: str, samples: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    samples.write_parquet(buffer)
    return store.put(layout.samples_key(content_hash), buffer.getvalue(), ".parquet")


def _sample_rows(
    rows: Sequence[LabelledRow],
    samples: pl.DataFrame,
    dataset_id: str,
    written: WrittenShards,
) -> Iterator[TrainingSample]:
    created = now()
    for row, sample, (image_path, mask_path) in zip(
        rows, samples.iter_rows(named=True), written.paths(), strict=True
    ):
        yield TrainingSample(
            id=ids.sample_id(dataset_id, row.detection_id),
            dataset_id=dataset_id,
            observation_id=row.observation_id,
            detection_id=row.detection_id,
            image_path=image_path,
            mask_path=mask_path,
            labels={
                "is_anomaly": row.label == "real",
                "anomaly_type": row.classification,
                "source": row.source,
                "agreement": row.agreement,
            },
            metadata_={
                "survey": row.survey,
                "night": row.night,
                "score_sigma": row.score_sigma,
            },
            split=sample["split"],
            content_hash=sample["content_hash"],
            created_at=created,
        )
