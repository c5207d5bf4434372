"""Neighbours on the sky, on many skies at once: who is within a radius of whom.

A tree of unit vectors, so nothing is separated at the border of a cell, at right
ascension 0 or at a pole. Positions on different skies are never neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.int64]
    Positions = tuple[Sequence[str], Floats, Floats]

APART = 4.0
"""Distance between skies in the tree: more than the diameter of the unit sphere."""


def sky_groups(
    ra_deg: Floats, dec_deg: Floats, radius_arcsec: float, sky: NDArray[np.str_] | None = None
) -> NDArray[np.str_]:
    """Return one key per position on the sky: friends of friends within a radius.

    Parameters
    ----------
    ra_deg, dec_deg : (n,), degrees
        NaN where unknown; such a detection has the empty key.
    radius_arcsec : arcseconds
        Distance at which two are friends.
    sky : (n,)
        Name of the sky of each; None: one sky.

    Returns
    -------
    keys : (n,)
        Equal for detections of one group.
    """
    count = len(ra_deg)
    keys = np.full(count, "", dtype=f"<U{len(str(count))}")
    known = np.flatnonzero(np.isfinite(ra_deg) & np.isfinite(dec_deg))
    if len(known) == 0:
        return keys
    number = (
        np.zeros(count, dtype=np.int64) if sky is None else np.unique(sky, return_inverse=True)[1]
    )
    tree = KDTree(_points(ra_deg[known], dec_deg[known], number[known]))
    pairs = tree.query_pairs(_chord(radius_arcsec), output_type="ndarray")
    keys[known] = components(len(known), pairs[:, 0], pairs[:, 1]).astype(str)
    return keys


def near_positions(rows: Positions, others: Positions, radius_arcsec: float) -> tuple[Rows, Rows]:
    """Return which of the others lie within a radius of which row.

    Parameters
    ----------
    rows, others : sky, right ascension and declination (degrees) of each
        Positions on skies of different names are never neighbours.
    radius_arcsec : arcseconds

    Returns
    -------
    row, other : (m,)
        Numbers of the pairs, in order of the rows.
    """
    count = len(rows[0])
    if not count or not len(others[0]):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    _, number = np.unique([*rows[0], *others[0]], return_inverse=True)
    here = KDTree(_points(rows[1], rows[2], number[:count]))
    there = KDTree(_points(others[1], others[2], number[count:]))
    found = here.query_ball_tree(there, _chord(radius_arcsec))
    row = np.repeat(np.arange(count), [len(near) for near in found])
    return row, np.array([other for near in found for other in near], dtype=np.int64)


def components(count: int, first: NDArray[np.integer], second: NDArray[np.integer]) -> Rows:
    """Number the groups that pairs make of so many things.

    Parameters
    ----------
    count
        Number of things, n.
    first, second : (m,)
        Pairs of things that belong together.

    Returns
    -------
    group : (n,)
        From 0; equal for all that pairs join, directly or through others.
    """
    links = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)


def _points(ra_deg: Floats, dec_deg: Floats, sky: NDArray[np.integer]) -> Floats:
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    points = np.empty((len(ra), 4), dtype=np.float64)
    points[:, 0], points[:, 1] = np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra)
    points[:, 2], points[:, 3] = np.sin(dec), APART * sky
    return points


def _chord(radius_arcsec: float) -> float:
    return float(2 * np.sin(np.radians(radius_arcsec / 3600) / 2))
