"""Star patterns: which similarity maps one star list onto another, if any does.

Triangles of bright stars are compared by their sides; every agreement proposes a
shift, rotation and scale, and the proposal that brings most stars together wins.
Whether the winner is right is judged by the caller (`astrometry`).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Points = NDArray[np.float64]
PATTERN_STARS = 24
"""Brightest stars whose triangles are compared: 2024 triangles."""

VOTING_STARS = 60
MIN_SIDE_PX = 20.0
"""Shorter sides measure neither angle nor scale."""

SIDE_TOLERANCE_PX = 1.5
"""Errors of blended centroids; sides of similar triangles differ by less."""

SCALE_TOLERANCE = 0.03
"""One instrument keeps its scale; focus and temperature move it by less."""

MAX_PROPOSALS = 4000


def similarity(points: Points, targets: Points) -> tuple[Points, Points]:
    """Return the least-squares A (2, 2) and t (2,) of ``targets = A points + t``.

    Rotation and scale without reflection.
    """
    centre, goal = points.mean(axis=0), targets.mean(axis=0)
    p = (points - centre) @ np.array([1, 1j])
    q = (targets - goal) @ np.array([1, 1j])
    norm = float((np.abs(p) ** 2).sum())
    turn = complex((q * np.conj(p)).sum() / norm) if norm > 0 else 1 + 0j
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return matrix, goal - matrix @ centre


def propose(
    points: Points, targets: Points, radius_px: float
) -> tuple[Points, Points, int, int] | None:
    """Find the similarity that maps most points onto targets.

    Parameters
    ----------
    points, targets : (n, 2), (m, 2), pixels
        Brightest first.
    radius_px : pixels
        How near a point must come to count.

    Returns
    -------
    (A, t, hits, tried), or None when no triangles agree.
    """
    ours, our_sides = _triangles(points[:PATTERN_STARS])
    theirs, their_sides = _triangles(targets[:PATTERN_STARS])
    if not len(ours) or not len(theirs):
        return None
    pairs = _agreeing(our_sides, their_sides)
    tree = KDTree(targets[:VOTING_STARS])
    voters = points[:VOTING_STARS]
    best: tuple[Points, Points, int] | None = None
    for mine, other in pairs:
        matrix, shift = similarity(points[ours[mine]], targets[theirs[other]])
        if abs(np.hypot(matrix[0, 0], matrix[1, 0]) - 1) > SCALE_TOLERANCE:
            continue
        distance, _ = tree.query(voters @ matrix.T + shift)
        hits = int(np.count_nonzero(distance < radius_px))
        if best is None or hits > best[2]:
            best = matrix, shift, hits
    return None if best is None else (*best, len(pairs))


def _triangles(points: Points) -> tuple[NDArray[np.intp], Points]:
    """List triangles: vertices ordered by opposite side, and the sorted sides.

    Mirror images are told apart by the sign of the last column (orientation).
    """
    corners = np.array(list(combinations(range(len(points)), 3)), dtype=np.intp)
    if not len(corners):
        return corners.reshape(0, 3), np.empty((0, 4))
    a, b, c = (points[corners[:, k]] for k in range(3))
    sides = np.column_stack([
        np.hypot(*(b - c).T), np.hypot(*(c - a).T), np.hypot(*(a - b).T),
    ])  # fmt: skip
    order = np.argsort(sides, axis=1)
    sides = np.take_along_axis(sides, order, axis=1)
    corners = np.take_along_axis(corners, order, axis=1)
    a, b, c = (points[corners[:, k]] for k in range(3))
    u, v = b - a, c - a
    turn = np.sign(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    # Two sides of equal length could be named either way.
    distinct = np.diff(sides, axis=1).min(axis=1) > 2 * SIDE_TOLERANCE_PX
    usable = (sides[:, 0] > MIN_SIDE_PX) & distinct
    return corners[usable], np.column_stack([sides, turn])[usable]


def _agreeing(ours: Points, theirs: Points) -> list[tuple[int, int]]:
    """Pair triangles whose sides agree, the largest first."""
    tree = KDTree(theirs[:, :3])
    reach = SIDE_TOLERANCE_PX * 2 + SCALE_TOLERANCE * ours[:, 2]
    near = tree.query_ball_point(ours[:, :3], reach)
    pairs: list[tuple[int, int]] = []
    for mine in np.argsort(-ours[:, 0], kind="stable"):
        for other in sorted(near[mine]):
            scale = theirs[other, 2] / ours[mine, 2]
            misfit = np.abs(theirs[other, :3] - scale * ours[mine, :3])
            if (
                theirs[other, 3] == ours[mine, 3]
                and abs(scale - 1) < SCALE_TOLERANCE
                and misfit.max() < SIDE_TOLERANCE_PX
            ):
                pairs.append((int(mine), int(other)))
        if len(pairs) >= MAX_PROPOSALS:
            break
    return pairs[:MAX_PROPOSALS]
