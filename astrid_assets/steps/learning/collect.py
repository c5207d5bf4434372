"""Freeze a training dataset: labelled cutouts, masks, splits, quality; one version.

A version is the hash of its content, so collecting the same labels again finds the
version that exists. Images, masks and the table of samples are three objects in the
store; a sample's `image_path` and `mask_path` name object and row (``key#17``).
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.labelling.dataset_quality import (
    DataQualityReport,
    LabelledSet,
    measure_dataset_quality,
)
from astrid_assets.science.labelling.masks import training_mask
from astrid_assets.science.labelling.splits import (
    assign_splits,
    connected_groups,
    sky_groups,
)
from astrid_assets.steps import versions
from astrid_assets.steps.learning.settings import CollectionSettings, TooFewLabels
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import TrainingDataset, TrainingSample
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.events import drawn_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.storage.review.labels import LabelledRow

SAME_PLACE_ARCSEC = 2.0
"""Detections closer than this never stand on different sides of a split."""


@dataclass(frozen=True)
class DatasetVersion:
    """A frozen dataset and what is known of it."""

    row: TrainingDataset
    quality: DataQualityReport
    split_counts: dict[str, int]
    images: Cutouts
    real: NDArray[np.bool_]
    is_new: bool


def collect_dataset(
    tools: Tools, settings: CollectionSettings, *, created_by: str = "astrid"
) -> DatasetVersion:
    """Freeze the labelled detections into a dataset version.

    Raises
    ------
    TooFewLabels
        If fewer than ``min_samples`` labelled detections fit, or one class is absent.
    """
    rows, drawn, last_sequence = _selected(tools, settings)
    real = np.array([row.label == "real" for row in rows], dtype=bool)
    images = read_cutouts(tools.store, [(r.cutout_key, r.cutout_index) for r in rows])
    masks = np.stack(
        [
            training_mask(row.label, row.fwhm_px, CUTOUT_SIZE, drawn=drawn.get(row.detection_id))
            for row in rows
        ]
    )
    splits = _splits(rows, real, settings)
    samples = _table(rows, splits, images, masks)
    content_hash = _content_hash(samples, settings)
    dataset_id = ids.dataset_id(content_hash)
    quality = _quality(rows, real, images)
    with tools.catalogue.read() as session:
        known = session.get(TrainingDataset, dataset_id)
    keys = _kept(tools.store, content_hash, images, masks, samples)
    row = TrainingDataset(
        id=dataset_id,
        content_hash=content_hash,
        name=settings.name,
        collection_params=settings.model_dump(mode="json"),
        total_samples=len(rows),
        anomaly_ratio=float(real.mean()),
        quality_score=quality.quality_score,
        quality_report=quality.as_dict(),
        images_key=keys.images,
        masks_key=keys.masks,
        samples_key=keys.samples,
        last_sequence=last_sequence,
        mlflow_run_id=known.mlflow_run_id if known else None,
        created_at=now(),
        created_by=created_by,
    )
    with tools.catalogue.begin() as session:
        upsert(session, [row])
        upsert(session, _sample_rows(rows, samples, dataset_id, keys))
        stored = session.get_one(TrainingDataset, dataset_id)
    return DatasetVersion(
        stored, quality, dict(Counter(splits)), images, real, is_new=known is None
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
    rows = sorted(rows, key=lambda row: (row.night, row.detection_id))
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


def _quality(
    rows: Sequence[LabelledRow], real: NDArray[np.bool_], images: Cutouts
) -> DataQualityReport:
    return measure_dataset_quality(
        LabelledSet(
            is_real=real,
            agreement=np.array([row.agreement for row in rows]),
            image_quality=np.array(
                [np.nan if row.quality_score is None else row.quality_score for row in rows]
            ),
            source=np.array([row.source for row in rows]),
            survey=np.array([row.survey for row in rows]),
            night=np.array([row.night for row in rows]),
            content_hash=np.array(
                [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
            ),
        )
    )


@dataclass(frozen=True)
class _Keys:
    """Where the arrays and the table of a version are kept."""

    images: str
    masks: str
    samples: str


def _kept(
    store: ObjectStore,
    content_hash: str,
    images: Cutouts,
    masks: NDArray[np.uint8],
    samples: pl.DataFrame,
) -> _Keys:
    """Put images, masks and the table of samples into the store."""
    buffer = io.BytesIO()
    samples.write_parquet(buffer)
    return _Keys(
        images=_put_array(store, content_hash, "images", images),
        masks=_put_array(store, content_hash, "masks", masks),
        samples=store.put(
            layout.dataset_key(content_hash, "samples"), buffer.getvalue(), ".parquet"
        ),
    )


def read_cutouts(store: ObjectStore, places: Sequence[tuple[str, int]]) -> Cutouts:
    """Read cutouts by object key and row: (n, 3, size, size), each object once."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for position, (key, _) in enumerate(places):
        wanted[key].append(position)
    images = np.empty((len(places), 3, CUTOUT_SIZE, CUTOUT_SIZE), dtype=np.float32)
    for key, positions in wanted.items():
        stack = np.load(io.BytesIO(store.get(key)), allow_pickle=False)
        images[positions] = stack[[places[position][1] for position in positions]]
    return images


def _splits(
    rows: Sequence[LabelledRow], real: NDArray[np.bool_], settings: CollectionSettings
) -> list[str]:
    """Split by object and position, so that no star stands on both sides."""
    # Surveys overlap on the sky, or use local coordinates: positions are joined within
    # a survey only.
    places = np.full(len(rows), "", dtype=object)
    for survey in sorted({row.survey for row in rows}):
        inside = np.array([row.survey == survey for row in rows])
        sky = np.array(
            [
                (
                    np.nan if row.ra_deg is None else row.ra_deg,
                    np.nan if row.dec_deg is None else row.dec_deg,
                )
                for row in rows
                if row.survey == survey
            ]
        )
        keys = sky_groups(sky[:, 0], sky[:, 1], SAME_PLACE_ARCSEC)
        places[inside] = [f"{survey} {key}" if key else "" for key in keys.tolist()]
    groups = connected_groups(
        [row.detection_id for row in rows],
        np.array([row.object_id or "" for row in rows]),
        places.astype(str),
    )
    fractions = {
        "train": 1 - settings.val_fraction - settings.test_fraction,
        "val": settings.val_fraction,
        "test": settings.test_fraction,
    }
    return assign_splits(groups, real, fractions, settings.seed).tolist()


def _table(
    rows: Sequence[LabelledRow],
    splits: Sequence[str],
    images: Cutouts,
    masks: NDArray[np.uint8],
) -> pl.DataFrame:
    hashes = [
        hashlib.sha256(image.tobytes() + mask.tobytes() + row.label.encode()).hexdigest()
        for row, image, mask in zip(rows, images, masks, strict=True)
    ]
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
            "split": list(splits),
            "content_hash": hashes,
        }
    )


def _content_hash(samples: pl.DataFrame, settings: CollectionSettings) -> str:
    columns = samples.select("detection_id", "content_hash", "split").rows()
    return ids.content_hash([versions.COLLECT, settings.name, [list(row) for row in columns]])


def _put_array(store: ObjectStore, content_hash: str, what: str, array: NDArray[np.generic]) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return store.put(layout.dataset_key(content_hash, what), buffer.getvalue(), ".npy")


def _sample_rows(
    rows: Sequence[LabelledRow],
    samples: pl.DataFrame,
    dataset_id: str,
    keys: _Keys,
) -> list[TrainingSample]:
    created = now()
    return [
        TrainingSample(
            id=ids.sample_id(dataset_id, row.detection_id),
            dataset_id=dataset_id,
            observation_id=row.observation_id,
            detection_id=row.detection_id,
            image_path=f"{keys.images}#{index}",
            mask_path=f"{keys.masks}#{index}",
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
        for index, (row, sample) in enumerate(zip(rows, samples.iter_rows(named=True), strict=True))
    ]
