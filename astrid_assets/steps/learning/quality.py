"""The quality of a version: measured while its cutouts pass by, judged with its reviewers."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from astrid_assets.science.labelling.dataset_quality import (
    DataQualityReport,
    measure_dataset_quality,
)
from astrid_assets.science.labelling.duplicates import DuplicateSearch
from astrid_assets.science.labelling.label_errors import out_of_fold, suspect_labels
from astrid_assets.science.labelling.labelled_set import (
    LabelledSet,
    ReviewEvidence,
    drift_between,
)
from astrid_assets.science.labelling.stamp_features import FEATURES, stamp_features
from astrid_assets.science.labelling.stamp_quality import StampMeter
from astrid_assets.storage.queries import datasets
from astrid_assets.storage.review.reviewer_stats import agreement
from astrid_assets.storage.review.suspects import ask_again

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.steps.learning.settings import CollectionSettings
    from astrid_assets.steps.learning.sides import Sides
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.review.labels import LabelledRow


class CutoutMeters:
    """All that is measured of cutouts as they pass by: quality, features, duplicates.

    Parameters
    ----------
    count
        Number of cutouts.
    """

    def __init__(self, count: int) -> None:
        self.duplicates = DuplicateSearch(count)
        self.stamps = StampMeter(count)
        self.features = np.empty((count, len(FEATURES)))

    def add(self, first_row: int, cutouts: Cutouts) -> None:
        """Take the cutouts of some rows, the first of them at this row."""
        self.duplicates.add(first_row, cutouts[:, -1])
        self.stamps.add(first_row, cutouts)
        self.features[first_row : first_row + len(cutouts)] = stamp_features(cutouts)


@dataclass(frozen=True)
class MeasuredVersion:
    """The report of a version, and the detections whose label is probably wrong."""

    report: DataQualityReport
    suspects: tuple[str, ...]


def measure_version(
    tools: Tools,
    rows: Sequence[LabelledRow],
    real: NDArray[np.bool_],
    meters: CutoutMeters,
    image_hashes: NDArray[np.str_],
    duplicates: NDArray[np.str_],
    sides: Sides,
    settings: CollectionSettings,
    *,
    judges: NDArray[np.bool_] | None = None,
    weight: NDArray[np.float64] | None = None,
) -> MeasuredVersion:
    """Judge the labelled rows of a version before it is frozen.

    Parameters
    ----------
    rows, real, image_hashes, duplicates, judges, weight
        Columns of the version, in one order; `judges` is False for rows that may only train,
        `weight` is what a row counts in training.
    meters
        Filled with all cutouts, in the same order.
    """
    stamps = meters.stamps.quality(
        fwhm_px=np.array([row.fwhm_px for row in rows], dtype=np.float64),
        limiting_mag=_numbers([row.limiting_mag for row in rows]),
        frame_quality=_numbers([row.quality_score for row in rows]),
        kind=np.array([f"{row.survey} {row.band}" for row in rows]),
    )
    samples = LabelledSet(
        is_real=real,
        agreement=np.array([row.agreement for row in rows]),
        n_votes=np.array([row.n_votes for row in rows]),
        image_quality=stamps.overall,
        source=np.array([row.source for row in rows]),
        survey=np.array([row.survey for row in rows]),
        night=np.array([row.night for row in rows]),
        content_hash=image_hashes,
        duplicate=duplicates,
        judges=judges,
        weight=weight,
        split=sides.side,
        snr=np.array([row.score_sigma for row in rows]),
        probability=out_of_fold(meters.features, real, sides.group),
    )
    surveys = sorted({row.survey for row in rows})
    with tools.catalogue.read() as session:
        evidence = _evidence(session, surveys)
    report = measure_dataset_quality(
        samples,
        settings,
        evidence=evidence,
        image_parts=stamps.summary(),
        drift=_drift(tools, samples),
    )
    suspects: tuple[str, ...] = ()
    if samples.probability is not None:
        found = suspect_labels(samples.probability, real).rows
        suspects = tuple(rows[row].detection_id for row in found.tolist())
    return MeasuredVersion(report, suspects)


def ask_about_suspects(tools: Tools, suspects: Collection[str]) -> int:
    """Offer labels that are probably wrong for review again; returns how many wait."""
    with tools.catalogue.begin() as session:
        return ask_again(session, suspects)


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _evidence(session: Session, surveys: Sequence[str]) -> ReviewEvidence:
    """Return how the reviewers of these surveys compare, all surveys together."""
    found = [agreement(session, survey) for survey in surveys]
    double = np.array([one.doubly_reviewed for one in found])

    def mean(values: Sequence[float | None]) -> float | None:
        known = np.array([value is not None for value in values]) & (double > 0)
        if not known.any():
            return None
        return float(np.average(_numbers(values)[known], weights=double[known]))

    people = [person for one in found for person in one.reviewers]
    return ReviewEvidence(
        doubly_reviewed=int(double.sum()),
        kappa=mean([one.fleiss for one in found]),
        noise=mean([one.noise for one in found]),
        repeats=(sum(p.repeats.hits for p in people), sum(p.repeats.total for p in people)),
        gold=(sum(p.gold.hits for p in people), sum(p.gold.total for p in people)),
    )


def _drift(tools: Tools, samples: LabelledSet) -> Mapping[str, float] | None:
    """Return the distance from the newest version there is, or None without one."""
    with tools.catalogue.read() as session:
        before = datasets.newest_dataset(session)
    if before is None:
        return None
    table = pl.read_parquet(io.BytesIO(tools.store.get(before.samples_key)))
    earlier = LabelledSet(
        is_real=(table["label"] == "real").to_numpy(),
        agreement=np.full(len(table), np.nan),
        image_quality=np.full(len(table), np.nan),
        source=table["source"].to_numpy().astype(str),
        survey=table["survey"].to_numpy().astype(str),
        night=table["night"].to_numpy().astype(str),
        content_hash=table["content_hash"].to_numpy().astype(str),
        snr=table["score_sigma"].to_numpy(),
    )
    return drift_between(samples, earlier)
