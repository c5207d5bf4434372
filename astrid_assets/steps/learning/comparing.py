"""Two dataset versions side by side: what was added, left out, relabelled, moved."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from astrid_assets.storage.database.tables.learning import TrainingDataset
    from astrid_assets.storage.objects.object_store import ObjectStore

COMPARED = ("detection_id", "label", "split", "survey", "source")


@dataclass(frozen=True)
class VersionComparison:
    """What differs between an earlier and a later version.

    Attributes
    ----------
    first, second
        Their ids.
    totals
        Samples of each.
    added, left_out, shared
        Samples of the second only, of the first only, of both.
    relabelled, moved
        Shared samples with another label, and on another side of the split.
    anomaly_ratios, quality_scores
        Share of real, and quality score, of the first and of the second.
    counts
        Per split, label, survey and source: samples of the first and of the second.
    settings
        Settings of the collections that differ: those of the first and of the second.
    """

    first: str
    second: str
    totals: tuple[int, int]
    added: int
    left_out: int
    shared: int
    relabelled: int
    moved: int
    anomaly_ratios: tuple[float, float]
    quality_scores: tuple[float, float]
    counts: dict[str, dict[str, tuple[int, int]]]
    settings: dict[str, tuple[object, object]]

    def as_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return asdict(self)


def compare_versions(
    store: ObjectStore, first: TrainingDataset, second: TrainingDataset
) -> VersionComparison:
    """Compare two versions by their frozen tables."""
    tables = [_table(store, row) for row in (first, second)]
    both = tables[0].join(tables[1], on="detection_id", suffix="_second")
    settings = [row.collection_params for row in (first, second)]
    return VersionComparison(
        first=first.id,
        second=second.id,
        totals=(len(tables[0]), len(tables[1])),
        added=len(tables[1]) - len(both),
        left_out=len(tables[0]) - len(both),
        shared=len(both),
        relabelled=int((both["label"] != both["label_second"]).sum()),
        moved=int((both["split"] != both["split_second"]).sum()),
        anomaly_ratios=(first.anomaly_ratio, second.anomaly_ratio),
        quality_scores=(first.quality_score, second.quality_score),
        counts={
            column: _counts(*(table[column] for table in tables))
            for column in ("split", "label", "survey", "source")
        },
        settings={
            name: (settings[0].get(name), settings[1].get(name))
            for name in sorted(settings[0].keys() | settings[1].keys())
            if settings[0].get(name) != settings[1].get(name)
        },
    )


def _table(store: ObjectStore, row: TrainingDataset) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(store.get(row.samples_key)), columns=list(COMPARED))


def _counts(first: pl.Series, second: pl.Series) -> dict[str, tuple[int, int]]:
    counts = [dict(series.value_counts().iter_rows()) for series in (first, second)]
    names = sorted(counts[0].keys() | counts[1].keys())
    return {str(name): (counts[0].get(name, 0), counts[1].get(name, 0)) for name in names}
