"""Which pictures an evaluation gets, and what stands in each."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.evaluation_plots import (
    Bar,
    ShareBin,
    confusion_plot,
    ranking_plot,
    reliability_plot,
    share_plot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.learning.metrics.curves import Curves
    from astrid_assets.learning.metrics.intervals import Interval
    from astrid_assets.learning.slices import Slice

SHOWN = 12
"""Cutouts on one sheet."""

CAPTIONS = {
    "ranking": "ROC, purity and completeness",
    "reliability": "share of real against score, and the scores",
    "by_snr": "completeness and purity against S/N",
    "by_magnitude": "completeness and purity against magnitude",
    "confusion": "what is called real",
    "false_positives": "bogus with the highest scores: science, reference, score, mask",
    "false_negatives": "real with the lowest scores: science, reference, score, mask",
    "masks": "real ones found, with their masks: science, reference, score, mask",
    "training": "loss, ROC AUC, accuracy, precision and recall over the epochs",
}
"""Name of each picture, in the order in which they are shown, and its caption."""


def evaluation_pictures(evaluation: Evaluation, curves: Curves) -> dict[str, bytes]:
    """Draw the plots of an evaluation: PNG bytes by name."""
    histogram = curves.histogram
    pictures = {
        "ranking": ranking_plot({n: asdict(curve) for n, curve in curves.rankings.items()}),
        "reliability": reliability_plot(
            [(part.mean_score, _bar(part.real)) for part in evaluation.reliability.bins],
            histogram.edges,
            histogram.real,
            histogram.bogus,
        ),
        "by_snr": share_plot(_bins(evaluation.slices["snr_steps"]), "|S/N|"),
        "confusion": confusion_plot(
            evaluation.true_positives,
            evaluation.false_positives,
            evaluation.true_negatives,
            evaluation.false_negatives,
        ),
    }
    if evaluation.slices.get("magnitude"):
        pictures["by_magnitude"] = share_plot(_bins(evaluation.slices["magnitude"]), "magnitude")
    return pictures


def gallery_rows(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], threshold: float
) -> dict[str, NDArray[np.int64]]:
    """Return which of the judged cutouts are shown, worst first, by picture.

    Parameters
    ----------
    scores : (n,)
    labels : (n,), True for real

    Returns
    -------
    rows
        Indices into `scores`; a picture without any is left out.
    """
    order = np.argsort(-scores, kind="stable")
    called = scores >= threshold
    found = {
        "false_positives": order[(called & ~labels)[order]],
        "false_negatives": order[::-1][(~called & labels)[order[::-1]]],
        # Evenly from sure to just above the threshold.
        "masks": _spread(order[(called & labels)[order]]),
    }
    return {name: rows[:SHOWN] for name, rows in found.items() if len(rows)}


def _spread(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN).astype(int))] if len(rows) else rows


def _bins(slices: Sequence[Slice]) -> list[ShareBin]:
    return [
        ShareBin(
            part.name.replace("-inf", "+"),
            None if part.completeness is None else _bar(part.completeness),
            None if part.purity is None else _bar(part.purity),
        )
        for part in slices
    ]


def _bar(interval: Interval) -> Bar:
    return Bar(interval.value, interval.low, interval.high)
