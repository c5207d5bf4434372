"""The verdict on a dataset version: judged once frozen, and marked on the version itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from astrid_assets.science.quality.gates import (
    dataset_balance,
    dataset_quality,
    image_quality,
    no_leaks,
)
from astrid_assets.steps.learning.leaks import leaks_of
from astrid_assets.steps.learning.opening import open_dataset
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.queries import dataset_states, gates

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.science.quality.gate import Verdict
    from astrid_assets.steps.learning.collect import DatasetVersion
    from astrid_assets.steps.learning.settings import CollectionSettings
    from astrid_assets.steps.nights import Tools


def judge_version(
    tools: Tools,
    dataset: DatasetVersion,
    settings: CollectionSettings,
    work_folder: Path,
    *,
    by: str,
) -> tuple[DatasetVersion, list[Verdict]]:
    """Judge a frozen version and mark it: active, or refused with what was found.

    Parameters
    ----------
    settings
        Its limits are those of the collection that asks.
    work_folder
        Where its shards are fetched to.
    by
        Name of the user or program that asks.
    """
    quality = dataset.quality
    leaks = leaks_of(open_dataset(tools, dataset.row, work_folder / "datasets"))
    n_real = int(dataset.real.sum())
    verdicts = [
        dataset_quality(quality.quality_score, quality.issues, settings.min_quality_score),
        image_quality(quality.image_quality_score, settings.min_image_quality, quality.unknown),
        dataset_balance(
            quality.mix,
            n_real,
            len(dataset.real) - n_real,
            (settings.min_anomaly_ratio, settings.max_anomaly_ratio),
            settings.min_per_class,
        ),
        no_leaks(leaks.total, str(leaks)),
    ]
    broken = [
        f"{verdict.gate}: {verdict.detail}"
        for verdict in verdicts
        if verdict.holds_back and not verdict.passed
    ]
    with tools.catalogue.begin() as session:
        gates.record(session, "", "", "training_dataset", verdicts)
        dataset_states.mark_judged(session, dataset.row.id, "; ".join(broken) or None, by)
        row = session.get_one(TrainingDataset, dataset.row.id)
    return replace(dataset, row=row), verdicts
