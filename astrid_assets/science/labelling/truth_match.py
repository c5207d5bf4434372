"""Matching detections to a table of what is known to be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def match_truth(
    x: ArrayLike,
    y: ArrayLike,
    truth_x: ArrayLike,
    truth_y: ArrayLike,
    radius_px: float,
    *,
    once: bool = False,
) -> NDArray[np.int64]:
    """Return for each detection the nearest true source within a radius, or -1.

    Parameters
    ----------
    x, y : (n,), pixels
        Positions of the detections.
    truth_x, truth_y : (m,), pixels
        Positions of the true sources.
    radius_px : pixels
        Largest distance.
    once
        True: a true source goes to its nearest detection only (for counting what was
        found); False: every detection close to it is assigned to it (for labels).

    Returns
    -------
    index : (n,)
        Into the truth, -1 where nothing is near.
    """
    found = np.column_stack([np.atleast_1d(x), np.atleast_1d(y)]).astype(np.float64)
    truth = np.column_stack([np.atleast_1d(truth_x), np.atleast_1d(truth_y)]).astype(np.float64)
    index = np.full(len(found), -1, dtype=np.int64)
    if not len(found) or not len(truth):
        return index
    distances, neighbours = KDTree(truth).query(found, distance_upper_bound=radius_px)
    distance, nearest = np.asarray(distances), np.asarray(neighbours)
    near = np.isfinite(distance)
    if not once:
        index[near] = nearest[near]
        return index
    taken: set[int] = set()
    for row in np.argsort(distance, kind="stable"):
        if near[row] and int(nearest[row]) not in taken:
            index[row] = nearest[row]
            taken.add(int(nearest[row]))
    return index
