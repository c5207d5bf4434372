"""How well masks agree, pixel by pixel, counted some cutouts at a time.

Pixels of one cutout are no independent proofs, so there are no intervals here; the
overlap of each real cutout's mask shows how much they scatter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.metrics.confusion import Confusion

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 1000
"""Number of bins of a pixel's probability; areas are exact up to pixels that share a bin."""


@dataclass(frozen=True)
class PixelEvaluation:
    """Masks against the training masks; `overlap_*` is Dice's, of each real cutout."""

    n_cutouts: int
    counts: Confusion
    accuracy: float
    purity: float | None
    completeness: float | None
    f1: float
    mcc: float
    intersection_over_union: float
    roc_auc: float | None
    average_precision: float | None
    overlap_median: float | None
    overlap_16: float | None
    overlap_84: float | None


class PixelCounts:
    """Counts of pixels by probability, real and not; add cutouts, then read."""

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self._hits = np.zeros((2, 2), dtype=np.int64)
        self._by_score = np.zeros((2, BINS), dtype=np.int64)
        self._overlaps: list[NDArray[np.float64]] = []
        self._n_cutouts = 0

    def add(self, probabilities: NDArray[np.float32], masks: NDArray[np.uint8]) -> None:
        """Count some cutouts.

        Parameters
        ----------
        probabilities, masks : (n, ny, nx)
            0 to 1; and 1 inside a real source. The middle of larger masks counts.
        """
        masks = _central(masks, probabilities.shape[-1]).astype(bool)
        called = probabilities >= self.threshold
        both = np.bincount(2 * masks.ravel() + called.ravel(), minlength=4)
        self._hits += both.reshape(2, 2)
        bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
        for kind in (0, 1):
            self._by_score[kind] += np.bincount(bins[masks == kind], minlength=BINS)
        of_real = masks.any(axis=(1, 2))
        shared = (called & masks)[of_real].sum(axis=(1, 2))
        size = called[of_real].sum(axis=(1, 2)) + masks[of_real].sum(axis=(1, 2))
        self._overlaps.append(2 * shared / size)
        self._n_cutouts += len(masks)

    def result(self) -> PixelEvaluation:
        """Return the numbers of all cutouts added so far."""
        (passed, alarms), (missed, hits) = self._hits.tolist()
        counts = Confusion(hits, alarms, passed, missed)
        total = max(hits + alarms + passed + missed, 1)
        overlaps = np.concatenate([np.empty(0), *self._overlaps])
        low, middle, high = (
            (float(q) for q in np.quantile(overlaps, [0.16, 0.5, 0.84]))
            if len(overlaps)
            else (None, None, None)
        )
        auc, precision = self._areas()
        return PixelEvaluation(
            self._n_cutouts,
            counts,
            (hits + passed) / total,
            hits / (hits + alarms) if hits + alarms else None,
            hits / (hits + missed) if hits + missed else None,
            counts.f1,
            counts.mcc,
            hits / (hits + alarms + missed) if hits + alarms + missed else 0.0,
            auc,
            precision,
            middle,
            low,
            high,
        )

    def _areas(self) -> tuple[float | None, float | None]:
        bogus, real = self._by_score[:, ::-1].astype(np.float64)
        if not bogus.sum() or not real.sum():
            return None, None
        above = real.cumsum()
        auc = (bogus * (above - real / 2)).sum() / (bogus.sum() * real.sum())
        called = above + bogus.cumsum()
        purity = np.divide(above, called, out=np.zeros(BINS), where=called > 0)
        return float(auc), float((real * purity).sum() / real.sum())


def _central(masks: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    start = masks.shape[-1] // 2 - size // 2
    return masks[:, start : start + size, start : start + size]
