"""A dataset version as a run of MLflow: what it holds, in numbers and pictures."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.plots import dataset_distributions
from astrid_assets.pictures.thumbnails import cutout_sheet
from astrid_assets.steps.learning.comparing import compare_versions
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.queries import datasets

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from astrid_assets.steps.learning.collect import DatasetVersion
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.tracking.client import Tracking
    from astrid_assets.tracking.run import ActiveRun

EXPERIMENT = "training_dataset"
PIXELS_PER_PIXEL = 3  # on a sample's picture; 64 px are small on a screen


def record_dataset(
    tools: Tools,
    tracking: Tracking,
    dataset: DatasetVersion,
    arrays: DatasetArrays,
    tags: Mapping[str, str],
) -> str:
    """Record a dataset version in MLflow once; returns the MLflow run's id."""
    row = dataset.row
    if row.mlflow_run_id is not None:
        return row.mlflow_run_id
    identity = {"dataset_id": row.id, "dataset_sha256": row.content_hash}
    with tracking.start_run(
        f"training_data_{row.id}", experiment=EXPERIMENT, tags={**identity, **tags}
    ) as active:
        active.log_params(_parameters(dataset, arrays))
        active.log_metrics(_numbers(dataset, arrays))
        log_as_input(active, arrays)
        distributions = _distributions(arrays.samples)
        active.log_bytes(_json(distributions), "distributions.json")
        active.log_bytes(_distribution_plot(arrays), "distributions.png")
        active.log_bytes(_json(row.quality_report), "quality_report.json")
        for name, cutout in zip(dataset.example_names, dataset.examples, strict=True):
            picture = cutout_sheet(cutout[None], columns=1, zoom=PIXELS_PER_PIXEL)
            active.log_bytes(picture, f"samples/{name}.png")
        _compare_with_previous(tools, active, row)
        run_id = active.run_id
    with tools.catalogue.begin() as session:
        session.get_one(TrainingDataset, row.id).mlflow_run_id = run_id
    return run_id


def log_as_input(active: ActiveRun, arrays: DatasetArrays) -> None:
    """Record a dataset version as the input of a run."""
    stamps = arrays.stamps
    active.log_dataset(
        (len(stamps), stamps.channels, stamps.size, stamps.size),
        name=arrays.row.name,
        digest=arrays.row.content_hash,
        source=arrays.row.samples_key,
    )


def _parameters(dataset: DatasetVersion, arrays: DatasetArrays) -> dict[str, object]:
    """Return the settings; those of the requirement papers under their names."""
    row, samples = dataset.row, arrays.samples
    nights = [dt.date.fromisoformat(night) for night in samples["night"].unique() if night]
    return {
        **{f"collection.{name}": value for name, value in row.collection_params.items()},
        "name": row.name,
        "collection_date": row.created_at.isoformat(),
        "created_by": row.created_by,
        "status": row.status,
        "validation_threshold": row.collection_params["min_agreement"],
        "confidence_threshold": row.collection_params["confidence_threshold"],
        "time_range_days": (max(nights) - min(nights)).days + 1 if nights else 0,
        "survey_sources": sorted(samples["survey"].unique().to_list()),
        "anomaly_types": sorted(samples["classification"].drop_nulls().unique().to_list()),
    }


def _numbers(dataset: DatasetVersion, arrays: DatasetArrays) -> dict[str, float]:
    report = dataset.row.quality_report
    named = {
        name: report.get(name)
        for name in ("quality_score", "image_quality_score", "label_consistency")
    }
    counts = {
        f"{split}_{label}": float(count)
        for split, label, count in arrays.samples.group_by("split", "label").len().iter_rows()
    }
    return {
        "total_samples": float(dataset.row.total_samples),
        "anomaly_ratio": dataset.row.anomaly_ratio,
        "collection_seconds": dataset.collected.seconds,
        "considered": float(dataset.collected.considered),
        **{f"left_out_{reason}": float(n) for reason, n in dataset.collected.left_out.items()},
        # What nobody measured has no number in MLflow either.
        **{name: float(value) for name, value in named.items() if value is not None},
        **{
            f"{name}_quality": float(value)
            for name, value in report.get("parts", {}).items()
            if value is not None
        },
        **counts,
    }


def _distributions(samples: pl.DataFrame) -> dict[str, object]:
    """Return how many samples there are by split, label, survey, class, source and night."""
    columns = ("split", "label", "survey", "classification", "source", "night")
    found: dict[str, object] = {
        column: {
            str(value): count
            for value, count in samples[column].fill_null("").value_counts(sort=True).iter_rows()
        }
        for column in columns
    }
    for column in ("score_sigma", "fwhm_px", "quality_score"):
        values = samples[column].drop_nulls().to_numpy()
        if len(values):
            shares = (0, 5, 25, 50, 75, 95, 100)
            found[column] = {
                f"{share} %": float(value)
                for share, value in zip(shares, np.percentile(values, shares), strict=True)
            }
    return found


def _distribution_plot(arrays: DatasetArrays) -> bytes:
    samples = arrays.samples
    return dataset_distributions(
        np.abs(samples["score_sigma"].to_numpy()),
        samples["fwhm_px"].to_numpy(),
        arrays.is_real,
        samples["split"].to_numpy().astype(str),
    )


def _compare_with_previous(tools: Tools, active: ActiveRun, row: TrainingDataset) -> None:
    with tools.catalogue.read() as session:
        before = datasets.version_before(session, row)
    if before is None:
        return
    compared = compare_versions(tools.store, before, row)
    active.log_bytes(_json(compared.as_dict()), "comparison.json")
    active.set_tags({"previous_dataset_id": before.id})
    active.log_metrics(
        {
            f"{name}_since_previous": float(value)
            for name, value in (
                ("added", compared.added),
                ("left_out", compared.left_out),
                ("relabelled", compared.relabelled),
                ("moved", compared.moved),
            )
        }
    )


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, default=str).encode()
