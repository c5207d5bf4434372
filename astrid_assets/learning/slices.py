"""The test split cut into slices: a good average can hide what is always missed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SNR_EDGES = (0.0, 7.0, 10.0, 20.0, np.inf)
"""Bounds of the slices by |S/N|: near the detection threshold of 5, and upwards."""


@dataclass(frozen=True)
class Slice:
    """One part of the test split; None where the slice lacks what the number needs.

    `completeness` of its real, `false_positive_rate` of its bogus.
    """

    name: str
    n_real: int
    n_bogus: int
    completeness: float | None
    false_positive_rate: float | None


def slices_of(
    scores: NDArray[np.float64],
    labels: NDArray[np.bool_],
    abs_snr: NDArray[np.float64],
    threshold: float,
    by: Mapping[str, NDArray[np.str_]],
) -> dict[str, list[Slice]]:
    """Return the slices by ``|S/N|`` and by each given property."""
    called = scores >= threshold
    found = {
        "snr": [
            _slice(f"{low:g}-{high:g}", called, labels, (abs_snr >= low) & (abs_snr < high))
            for low, high in pairwise(SNR_EDGES)
        ]
    }
    for name, values in by.items():
        found[name] = [
            _slice(str(value), called, labels, values == value) for value in np.unique(values)
        ]
    return {
        name: [part for part in parts if part.n_real + part.n_bogus]
        for name, parts in found.items()
    }


def _slice(
    name: str,
    called: NDArray[np.bool_],
    labels: NDArray[np.bool_],
    inside: NDArray[np.bool_],
) -> Slice:
    real, bogus = inside & labels, inside & ~labels
    return Slice(
        name,
        int(real.sum()),
        int(bogus.sum()),
        float(called[real].mean()) if real.any() else None,
        float(called[bogus].mean()) if bogus.any() else None,
    )
