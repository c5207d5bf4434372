"""Two models on the same unlabelled detections: what would change if one replaced the other.

Nothing here says which one is right; that is what labelled rows are for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.distributions import largest_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.floating]


@dataclass(frozen=True)
class ShadowComparison:
    """What a model calls detections, beside another one.

    Attributes
    ----------
    n, n_finite
        Detections, and those with a finite score of the model.
    called_real
        Share at or above the model's threshold.
    called_real_before
        The same by the other model at its own threshold; None without one, as what follows.
    changed
        Share that the two call differently.
    agreement
        Cohen's kappa of the calls: 1 for the same calls, 0 for what chance gives; None where
        both call everything the same.
    drift
        Largest distance of the two cumulative distributions of scores, 0 to 1.
    ms_per_cutout
        Time that the model took for a cutout, milliseconds.

    References
    ----------
    Cohen 1960, Educ. Psychol. Meas. 20, 37 (kappa); Kolmogorov 1933 and Smirnov 1948 (drift).
    """

    n: int
    n_finite: int
    called_real: float
    called_real_before: float | None
    changed: float | None
    agreement: float | None
    drift: float | None
    ms_per_cutout: float


def compare_in_shadow(
    scores: Scores,
    threshold: float,
    before: Scores | None,
    threshold_before: float,
    *,
    seconds: float,
) -> ShadowComparison:
    """Compare a model's scores with those of the model in force, on the same detections.

    Parameters
    ----------
    scores, before : (n,), n above 0
        By the model, and by the one in force; None where none is.
    threshold, threshold_before
        Scores at and above which each calls a detection real.
    seconds
        Time that scoring took the model.
    """
    n = len(scores)
    called = scores >= threshold
    common = {
        "n": n,
        "n_finite": int(np.isfinite(scores).sum()),
        "called_real": float(called.mean()),
        "ms_per_cutout": 1e3 * seconds / n,
    }
    if before is None:
        return ShadowComparison(
            **common, called_real_before=None, changed=None, agreement=None, drift=None
        )
    called_before = before >= threshold_before
    share, share_before = float(called.mean()), float(called_before.mean())
    same = float((called == called_before).mean())
    by_chance = share * share_before + (1 - share) * (1 - share_before)
    return ShadowComparison(
        **common,
        called_real_before=share_before,
        changed=1 - same,
        agreement=None if by_chance == 1 else (same - by_chance) / (1 - by_chance),
        drift=largest_distance(scores, before),
    )
