"""Freezing a version: its table, its hash, its rows in the catalogue, each written once."""

from __future__ import annotations

import hashlib
import io
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from astrid_assets.science.detection.measurements import MEASUREMENTS
from astrid_assets.science.labelling.dataset_settings import DatasetQualitySettings
from astrid_assets.science.labelling.thinning import training_weights
from astrid_assets.steps import versions
from astrid_assets.steps.learning.opening import MEASURED
from astrid_assets.steps.learning.settings import SURVEY_SCORE, UNREVIEWED, CollectionSettings
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import TrainingDataset, TrainingSample
from astrid_assets.storage.database.upsert import insert_new, upsert
from astrid_assets.storage.objects import layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from astrid_assets.steps.learning.selection import Chosen
    from astrid_assets.steps.learning.shards import WrittenShards
    from astrid_assets.steps.learning.sides import Sides
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.objects.object_store import ObjectStore

ROW_COLUMNS = (
    "detection_id",
    "observation_id",
    "object_id",
    "survey",
    "night",
    "band",
    "observed_mjd",
    "label",
    "classification",
    "source",
    "score_sigma",
    "fwhm_px",
    "quality_score",
    "x",
    "y",
)
"""Columns of the table of samples that the detection and its label give."""

ROWS_AT_ONCE = 5000
"""Samples that are written by one statement."""

MAYBE_MISSING = (
    *("agreement", "reviewer_confidence", "quality_score", "observed_mjd"),
    *("object_id", "classification"),
)
"""Columns that may hold nothing at all, whose type is therefore given."""


def samples_table(
    chosen: Sequence[Chosen], sides: Sides, written: WrittenShards, settings: CollectionSettings
) -> pl.DataFrame:
    """Return the table of samples: one row per cutout, in the order of the shards."""
    rows = [one.row for one in chosen]
    return pl.DataFrame(
        {
            **{name: [getattr(row, name) for row in rows] for name in ROW_COLUMNS},
            "agreement": [row.agreement if row.n_votes else None for row in rows],
            "reviewer_confidence": [one.reviewer_confidence for one in chosen],
            "split": sides.side,
            "train_only": [not one.may_judge for one in chosen],
            "weight": weights_of_rows(
                np.array([row.source for row in rows]),
                np.array([one.is_real for one in chosen], dtype=bool),
                sides.side == "train",
                settings,
            ),
            "stands_for": [one.stands_for for one in chosen],
            "group": sides.group,
            "sky": sides.places.sky,
            "ra_deg": sides.places.ra_deg,
            "dec_deg": sides.places.dec_deg,
            "frame": sides.places.frame,
            "pixel_hash": written.image_hashes,
            "content_hash": written.sample_hashes,
            **{
                MEASURED + name: pl.Series(written.measurements[:, column], nan_to_null=True)
                for column, name in enumerate(MEASUREMENTS)
            },
        },
        schema_overrides={
            name: pl.String if name in {"object_id", "classification"} else pl.Float64
            for name in MAYBE_MISSING
        },
    )


def content_hash_of(samples: pl.DataFrame, settings: CollectionSettings) -> str:
    """Return the hash of name, limits and every value of the table, row by row.

    The same rows judged by other limits are another version: its verdict is another one.
    """
    limits = settings.model_dump(mode="json", include=set(DatasetQualitySettings.model_fields))
    content = hashlib.sha256(ids.canonical_json([versions.COLLECT, settings.name, limits]).encode())
    for row in samples.iter_rows():
        content.update(ids.canonical_json(row).encode())
    return content.hexdigest()


def description_of(samples: pl.DataFrame) -> str:
    """Return what a version holds, in a sentence."""
    surveys = ", ".join(sorted(samples["survey"].unique().to_list()))
    sources = ", ".join(sorted(samples["source"].unique().to_list()))
    n_real = int((samples["label"] == "real").sum())
    return (
        f"{len(samples)} labelled cutouts ({n_real} real) of {surveys}, "
        f"{samples['night'].min()} to {samples['night'].max()}, labelled by {sources}"
    )


def freeze(
    tools: Tools,
    row: TrainingDataset,
    samples: pl.DataFrame,
    made: Iterator[TrainingSample],
) -> tuple[TrainingDataset, bool]:
    """Keep a version with its table and samples, unless it is there; say whether it was new."""
    row.samples_key = _put_table(tools.store, row.content_hash, samples)
    with tools.catalogue.begin() as session:
        is_new = bool(insert_new(session, [row], "id"))
        if is_new:
            while some := list(islice(made, ROWS_AT_ONCE)):
                upsert(session, some)
        return session.get_one(TrainingDataset, row.id), is_new


def weights_of_rows(
    source: NDArray[np.str_],
    real: NDArray[np.bool_],
    trains: NDArray[np.bool_],
    settings: CollectionSettings,
) -> NDArray[np.float64]:
    """Return what each row counts in training; 1 where it does not train.

    Parameters
    ----------
    source, real, trains : (n,)
        Who labelled a row, True for real, True for what is trained on.
    """
    trust = np.ones(len(source))
    trust[source == SURVEY_SCORE] = settings.survey_score_weight
    trust[source == UNREVIEWED] = settings.unreviewed_weight
    weights = np.ones(len(source))
    weights[trains] = training_weights(real[trains], trust[trains], settings.min_class_weight)
    return weights


def _put_table(store: ObjectStore, content_hash: str, samples: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    samples.write_parquet(buffer)
    return store.put(layout.samples_key(content_hash), buffer.getvalue(), ".parquet")


def sample_rows(
    chosen: Sequence[Chosen],
    samples: pl.DataFrame,
    dataset_id: str,
    written: WrittenShards,
) -> Iterator[TrainingSample]:
    """Yield a version's rows of the catalogue."""
    created = now()
    for one, sample, (image_path, mask_path) in zip(
        chosen, samples.iter_rows(named=True), written.paths(), strict=True
    ):
        row = one.row
        yield TrainingSample(
            id=ids.sample_id(dataset_id, row.detection_id),
            dataset_id=dataset_id,
            observation_id=row.observation_id,
            detection_id=row.detection_id,
            image_path=image_path,
            mask_path=mask_path,
            labels={
                "is_anomaly": one.is_real,
                "anomaly_type": row.classification,
                "source": row.source,
                "agreement": sample["agreement"],
                "reviewer_confidence": one.reviewer_confidence,
            },
            metadata_={
                "survey": row.survey,
                "night": row.night,
                "score_sigma": row.score_sigma,
                "model_probability": one.model_probability,
                "weight": sample["weight"],
                "train_only": sample["train_only"],
            },
            split=sample["split"],
            content_hash=sample["content_hash"],
            created_at=created,
        )
