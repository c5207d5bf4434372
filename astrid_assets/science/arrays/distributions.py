"""How far two samples are from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def largest_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return the largest distance of two cumulative distributions, 0 to 1.

    Parameters
    ----------
    first, second : (n,) and (m,), at least one each

    Returns
    -------
    distance
        0: the same; 1: one lies wholly above the other.

    References
    ----------
    Smirnov 1948, Ann. Math. Stat. 19, 279.
    """
    # Imported here: the graph is loaded without scipy.
    from scipy.stats import ks_2samp

    # Its exact chance would take longer, and only the distance is wanted.
    return float(np.asarray(ks_2samp(first, second, method="asymp"))[0])
