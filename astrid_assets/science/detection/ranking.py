"""The score a detection gets before any model is deployed: its S/N, nothing more.

It orders detections by significance and is marked ``snr_ranking`` wherever it
appears. On real surveys S/N hardly separates real from bogus (ROC AUC 0.63 for
ZTF's ``scorr``), so nothing may treat it as a probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF_SCORE_SIGMA = 10.0
"""|S_corr| at which the ranking score is 0.5; only the order has a meaning."""


def snr_ranking(score_sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return s / (s + 10) of s = |S_corr|: it rises with the S/N.

    Parameters
    ----------
    score_sigma : (n,), sigma
        S_corr of the detections.

    Returns
    -------
    ranking : (n,)
        0 to 1; no probability.
    """
    significance = np.abs(score_sigma)
    return significance / (significance + HALF_SCORE_SIGMA)
