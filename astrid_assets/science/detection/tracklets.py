"""Tracklets: detections of one night that one moving object explains.

Three or more detections on different exposures that lie on a straight line at a
constant rate. Two always lie on a line, so a pair is no tracklet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Array = NDArray[np.float64]
MIN_DETECTIONS = 3
ARCSEC = 3600.0
HOURS = 24.0
MAX_PAIRS = 200_000
"""A night with more pairs is flooded by a bad subtraction; the fastest are left out
first, because the number of chance pairs grows with the square of the rate."""


@dataclass(frozen=True)
class Tracklet:
    """A moving object of one night.

    `members` index the detections, in order of time; `rate_arcsec_h` and
    `position_angle_deg` (east of north) its motion; `rms_arcsec` the scatter per
    axis about it.
    """

    members: tuple[int, ...]
    rate_arcsec_h: float
    position_angle_deg: float
    rms_arcsec: float


def link(
    mjd: Array,
    ra_deg: Array,
    dec_deg: Array,
    *,
    max_rate_arcsec_h: float,
    min_rate_arcsec_h: float,
    tolerance_arcsec: float,
) -> list[Tracklet]:
    """Link detections of one night into tracklets, the longest and straightest first.

    Every pair of exposures proposes a motion; what lies within the tolerance of its
    prediction on the other exposures joins. A detection belongs to one tracklet.

    Parameters
    ----------
    mjd : (n,), days
        Mid-exposure; equal for detections of one exposure.
    ra_deg, dec_deg : (n,), degrees
        Positions.
    max_rate_arcsec_h, min_rate_arcsec_h : arcseconds per hour
        Slower ones are stationary within a night, faster ones are trails.
    tolerance_arcsec : arcseconds
        Distance from the straight line at which a detection still joins.

    Returns
    -------
    tracklets
        With the indices of their detections, rates in arcseconds per hour.

    References
    ----------
    Kubica et al. 2007, Icarus 189, 151 (the idea; a night of few exposures needs no tree of
    velocities).
    """
    if len(mjd) < MIN_DETECTIONS:
        return []
    plane = _tangent_plane(ra_deg, dec_deg)
    times = np.unique(mjd)
    found: list[tuple[int, float, tuple[int, ...]]] = []
    seen: set[tuple[int, ...]] = set()
    trees = [KDTree(plane[mjd == t]) for t in times]
    indices = [np.flatnonzero(mjd == t) for t in times]
    for first, second in _pairs(plane, times, trees, indices, max_rate_arcsec_h, min_rate_arcsec_h):
        velocity = (plane[second] - plane[first]) / (mjd[second] - mjd[first])
        members = []
        for time, tree, index in zip(times, trees, indices, strict=True):
            distance, nearest = tree.query(plane[first] + velocity * (time - mjd[first]))
            if distance <= tolerance_arcsec:
                members.append(int(index[nearest]))
        key = tuple(sorted(members, key=lambda i: (mjd[i], i)))
        if len(key) < MIN_DETECTIONS or key in seen:
            continue
        seen.add(key)
        rms = _fit(mjd, plane, key)[1]
        if rms <= tolerance_arcsec:
            found.append((-len(key), rms, key))
    taken: set[int] = set()
    tracklets = []
    for _, rms, key in sorted(found):
        if taken & set(key):
            continue
        taken |= set(key)
        (east, north), _ = _fit(mjd, plane, key)
        angle = float(np.degrees(np.arctan2(east, north)) % 360)
        rate = float(np.hypot(east, north)) / HOURS
        tracklets.append(Tracklet(key, rate, angle, float(rms)))
    return tracklets


def _tangent_plane(ra_deg: Array, dec_deg: Array) -> Array:
    """Gnomonic offsets from the first detection, (n, 2) arcsec east and north."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    ra0, dec0 = ra[0], dec[0]
    depth = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra - ra0)
    east = np.cos(dec) * np.sin(ra - ra0) / depth
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra - ra0)) / depth
    return np.degrees(np.column_stack([east, north])) * ARCSEC


def _pairs(
    plane: Array,
    times: Array,
    trees: list[KDTree],
    indices: list[NDArray[np.intp]],
    fastest: float,
    slowest: float,
) -> list[tuple[int, int]]:
    """Pairs on different exposures whose motion is within the limits."""
    pairs: list[tuple[float, int, int]] = []
    for a in range(len(times) - 1):
        for b in range(a + 1, len(times)):
            hours = (times[b] - times[a]) * HOURS
            near = trees[a].query_ball_tree(trees[b], fastest * hours)
            for i, others in enumerate(near):
                for j in others:
                    one, two = int(indices[a][i]), int(indices[b][j])
                    moved = float(np.hypot(*(plane[two] - plane[one])))
                    if moved >= slowest * hours:
                        pairs.append((moved / hours, one, two))
    return [(one, two) for _, one, two in sorted(pairs)[:MAX_PAIRS]]


def _fit(mjd: Array, plane: Array, members: tuple[int, ...]) -> tuple[Array, float]:
    """Fit a straight motion: arcsec per day (east, north), and the scatter per axis."""
    time = mjd[list(members)]
    place = plane[list(members)]
    design = np.column_stack([np.ones(len(time)), time - time.mean()])
    terms, *_ = np.linalg.lstsq(design, place, rcond=None)
    left = place - design @ terms
    # Two parameters per axis are spent on the line.
    free = max(2 * len(time) - 4, 1)
    return np.asarray(terms[1]), float(np.sqrt((left**2).sum() / free))
