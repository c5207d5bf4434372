"""The test split cut into slices: a good average can hide what is always missed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.metrics.intervals import Interval, area_parts, share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SNR_EDGES = (0.0, 7.0, 10.0, 20.0, np.inf)
"""Bounds of the slices by |S/N|: near the detection threshold of 5, and upwards."""

SNR_STEPS = (0.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 60.0, np.inf)
"""Finer bounds, for curves of purity and completeness."""

FAINTEST_MAG, BRIGHTEST_MAG = 30.0, 0.0


@dataclass(frozen=True)
class Slice:
    """One part of the test split; None where the slice lacks what the number needs.

    Attributes
    ----------
    completeness, false_positive_rate
        Share of its real, and of its bogus, that is called real.
    purity
        Share of real among what is called real in it, in the mix of the split.
    roc_auc
        Its real against its bogus; a slice of one class is ranked against the whole
        other class.
    """

    name: str
    n_real: int
    n_bogus: int
    completeness: Interval | None
    false_positive_rate: Interval | None
    purity: Interval | None
    roc_auc: Interval | None


@dataclass(frozen=True)
class Scored:
    """Detections with labels, scores and what was called real; all ``(n,)``."""

    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    called: NDArray[np.bool_]
    groups: NDArray[np.str_] | None

    def slice(self, name: str, inside: NDArray[np.bool_]) -> Slice:
        """Return what some of the detections come to."""
        real, bogus = inside & self.labels, inside & ~self.labels
        ranked = inside
        if real.any() != bogus.any():
            ranked = inside | (~self.labels if real.any() else self.labels)
        both = self.labels[ranked].any() and (~self.labels[ranked]).any()
        return Slice(
            name,
            int(real.sum()),
            int(bogus.sum()),
            self._share(self.called, real),
            self._share(self.called, bogus),
            self._share(self.labels, inside & self.called),
            area_parts(self.scores[ranked], self.labels[ranked], self._groups(ranked)).interval()
            if both
            else None,
        )

    def _share(self, hits: NDArray[np.bool_], inside: NDArray[np.bool_]) -> Interval | None:
        return share(hits[inside], self._groups(inside))

    def _groups(self, inside: NDArray[np.bool_]) -> NDArray[np.str_] | None:
        return None if self.groups is None else self.groups[inside]


def slices_of(
    scored: Scored,
    snr: NDArray[np.float64],
    magnitudes: NDArray[np.float64] | None,
    by: Mapping[str, NDArray[np.str_]],
) -> dict[str, list[Slice]]:
    """Return the slices by S/N, its sign, magnitude, and each given property.

    Parameters
    ----------
    snr : (n,)
        Signed.
    magnitudes : (n,)
        NaN where there is none; None: no such slices.
    by
        Per name (``survey``, ``class``) the value of each detection.
    """
    size = np.abs(snr)
    found = {
        "snr": _binned(scored, size, SNR_EDGES),
        "snr_steps": _binned(scored, size, SNR_STEPS),
        "sign": [scored.slice("positive", snr >= 0), scored.slice("negative", snr < 0)],
    }
    if magnitudes is not None and np.isfinite(magnitudes).any():
        # What is no magnitude of this sky would make a thousand empty slices.
        known = magnitudes[(magnitudes > BRIGHTEST_MAG) & (magnitudes < FAINTEST_MAG)]
        edges = np.arange(np.floor(known.min()), np.floor(known.max()) + 2) if len(known) else []
        found["magnitude"] = _binned(scored, magnitudes, [float(edge) for edge in edges])
    for name, values in by.items():
        found[name] = [scored.slice(str(value), values == value) for value in np.unique(values)]
    return {
        name: [part for part in parts if part.n_real + part.n_bogus]
        for name, parts in found.items()
    }


def _binned(scored: Scored, values: NDArray[np.float64], edges: Sequence[float]) -> list[Slice]:
    return [
        scored.slice(f"{low:g}-{high:g}", (values >= low) & (values < high))
        for low, high in pairwise(edges)
    ]
