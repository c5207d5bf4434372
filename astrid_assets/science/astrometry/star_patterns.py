"""Star patterns: the similarity that maps one star list onto another.

Triangles of bright stars are compared by their sides; every agreement proposes a
shift, rotation and scale. True proposals agree with each other, so those in the
densest group are tried, and the one that matches most stars wins.
Whether the winner is right is decided by the caller (`solution`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Points = NDArray[np.float64]
Indices = NDArray[np.intp]
PATTERN_STARS = 24
"""Brightest stars whose triangles are compared: 2024 triangles."""

NEARBY_STARS, NEIGHBOURS = 150, 7
"""Where the brightest stars of two frames differ (other depth, small overlap),
triangles of neighbours among so many stars are compared instead."""

VOTING_STARS = 60
MIN_SIDE_PX = 20.0
"""Shorter sides measure neither angle nor scale."""

SIDE_TOLERANCE_PX = 1.5
"""Errors of blended centroids; sides of similar triangles differ by less."""

SCALE_TOLERANCE = 0.06
"""One instrument keeps its scale; focus, temperature and a guess differ by less."""

CROWD_PX = 6.0
"""Proposals that move every corner of the frame to within this distance agree."""

TRIED = 80
MAX_PROPOSALS = 20_000
GOOD_SHARE = 0.5
"""Share of the voting stars: if a proposal matches so many, the search ends."""


@dataclass(frozen=True)
class Proposal:
    """A map ``matrix p + shift``: voting stars that it matches, and proposals made."""

    matrix: Points
    shift: Points
    hits: int
    tried: int


def turn_between(points: Points, targets: Points, weight: NDArray[np.float64]) -> Points:
    """Return the least-squares A of ``targets = A points``, both centred.

    Rotation and scale without reflection.

    Parameters
    ----------
    points, targets : (n, 2)
        Pairs, each about its weighted mean.
    weight : (n,)
        Weight of each pair.

    Returns
    -------
    matrix : (2, 2)
        The unit matrix when all points coincide.

    References
    ----------
    Umeyama 1991, IEEE Trans. PAMI 13, 376, in two dimensions.
    """
    # Sums, not products of matrices: BLAS threads cost more than they compute.
    (px, py), (qx, qy) = points.T, targets.T
    norm = float((weight * (px**2 + py**2)).sum())
    if norm == 0:
        return np.eye(2)
    cosine = float((weight * (px * qx + py * qy)).sum()) / norm
    sine = float((weight * (px * qy - py * qx)).sum()) / norm
    return np.array([[cosine, -sine], [sine, cosine]])


def propose(
    points: Points, targets: Points, radius_px: float, *, is_mirrored: bool = False
) -> Proposal | None:
    """Find the similarity that maps most points onto targets.

    Parameters
    ----------
    points, targets : (n, 2), (m, 2), pixels
        Brightest first.
    radius_px : pixels
        How near a point must come to count.
    is_mirrored
        Search for a reflection: the parity of the two differs.

    Returns
    -------
    proposal
        None when no triangles agree.

    References
    ----------
    Groth 1986, AJ 91, 1244; Valdes et al. 1995, PASP 107, 1119: triangles.
    """
    flip = np.array([1.0, -1.0 if is_mirrored else 1.0])
    ours = points * flip
    best: Proposal | None = None
    tried = 0
    for corners in (_brightest, _neighbours):
        found = _from_triangles(ours, targets, corners(ours), corners(targets), radius_px)
        if found is None:
            continue
        tried += found.tried
        if best is None or found.hits > best.hits:
            best = found
        if best.hits >= GOOD_SHARE * min(len(ours), len(targets), VOTING_STARS):
            break
    if best is None:
        return None
    return Proposal(best.matrix * flip, best.shift, best.hits, tried)


def _from_triangles(
    points: Points, targets: Points, ours: Indices, theirs: Indices, radius_px: float
) -> Proposal | None:
    """Propose by one choice of triangles; corners index the points."""
    ours, our_sides = _measured(points, ours)
    theirs, their_sides = _measured(targets, theirs)
    if not len(ours) or not len(theirs):
        return None
    mine, other = _agreeing(our_sides, their_sides)
    if not len(mine):
        return None
    turn, shift = _similarities(points[ours[mine]], targets[theirs[other]])
    order = _crowded_first(turn, shift, points)[:TRIED]
    hits = _hits(turn[order], shift[order], points, targets, radius_px)
    best = order[int(np.argmax(hits))]
    matrix = np.array([[turn[best].real, -turn[best].imag], [turn[best].imag, turn[best].real]])
    there = np.array([shift[best].real, shift[best].imag])
    return Proposal(matrix, there, int(hits.max()), len(mine))


def _brightest(points: Points) -> Indices:
    """All triangles of the brightest stars."""
    n = min(len(points), PATTERN_STARS)
    return np.array(list(combinations(range(n), 3)), dtype=np.intp).reshape(-1, 3)


def _neighbours(points: Points) -> Indices:
    """Triangles of each star with two of its neighbours."""
    some = points[:NEARBY_STARS]
    if len(some) < 4:
        return np.empty((0, 3), dtype=np.intp)
    near = min(NEIGHBOURS + 1, len(some))
    index = np.asarray(KDTree(some).query(some, k=near)[1], dtype=np.intp)
    two = np.array(list(combinations(range(1, near), 2)))
    corners = np.concatenate(
        [
            np.broadcast_to(index[:, :1, None], (len(some), len(two), 1)),
            index[:, two],
        ],
        axis=2,
    ).reshape(-1, 3)
    return np.unique(np.sort(corners, axis=1), axis=0).astype(np.intp)


def _measured(points: Points, corners: Indices) -> tuple[Indices, Points]:
    """Order the corners by opposite side; return sides, ascending, and orientation.

    Mirror images are distinguished by the sign of the last column.
    """
    if not len(corners):
        return corners, np.empty((0, 4))
    a, b, c = (points[corners[:, k]] for k in range(3))
    sides = np.column_stack([np.hypot(*(b - c).T), np.hypot(*(c - a).T), np.hypot(*(a - b).T)])
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


def _agreeing(ours: Points, theirs: Points) -> tuple[Indices, Indices]:
    """Pair triangles whose sides agree but for a scale near one; largest first."""
    tree = KDTree(theirs[:, :2] / theirs[:, 2:3])
    shape = ours[:, :2] / ours[:, 2:3]
    # A side's error over the longest side, for both sides and both triangles.
    reach = 3 * SIDE_TOLERANCE_PX / ours[:, 2]
    near = tree.query_ball_point(shape, reach)
    mine = np.repeat(np.arange(len(ours)), [len(js) for js in near])
    if not len(mine):
        return mine, mine
    other = np.concatenate([np.sort(js) for js in near if js]).astype(np.intp)
    scale = theirs[other, 2] / ours[mine, 2]
    misfit = np.abs(theirs[other, :2] - scale[:, None] * ours[mine, :2]).max(axis=1)
    agree = (
        (theirs[other, 3] == ours[mine, 3])
        & (np.abs(scale - 1) < SCALE_TOLERANCE)
        & (misfit < SIDE_TOLERANCE_PX)
    )
    mine, other = mine[agree], other[agree]
    largest = np.argsort(-ours[mine, 0], kind="stable")[:MAX_PROPOSALS]
    return mine[largest], other[largest]


def _similarities(
    ours: Points, theirs: Points
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Fit ``q = turn p + shift`` (complex numbers) to triangles (n, 3, 2)."""
    p, q = (corners[..., 0] + 1j * corners[..., 1] for corners in (ours, theirs))
    centre, goal = p.mean(axis=1), q.mean(axis=1)
    p, q = p - centre[:, None], q - goal[:, None]
    turn = (q * np.conj(p)).sum(axis=1) / (np.abs(p) ** 2).sum(axis=1)
    return turn, goal - turn * centre


def _crowded_first(
    turn: NDArray[np.complex128], shift: NDArray[np.complex128], points: Points
) -> Indices:
    """Order proposals by how many others move the frame alike."""
    ends = np.array([complex(*points.min(axis=0)), complex(*points.max(axis=0))])
    moved = turn[:, None] * ends + shift[:, None]
    positions = np.column_stack([moved.real, moved.imag])
    crowd = KDTree(positions).query_ball_point(positions, CROWD_PX, return_length=True)
    return np.argsort(-np.asarray(crowd), kind="stable").astype(np.intp)


def _hits(
    turn: NDArray[np.complex128],
    shift: NDArray[np.complex128],
    points: Points,
    targets: Points,
    radius_px: float,
) -> Indices:
    """Count the voting stars that each proposal brings onto a target."""
    voters = points[:VOTING_STARS, 0] + 1j * points[:VOTING_STARS, 1]
    there = turn[:, None] * voters + shift[:, None]
    positions = np.column_stack([there.real.ravel(), there.imag.ravel()])
    distance, _ = KDTree(targets[:VOTING_STARS]).query(positions, distance_upper_bound=radius_px)
    return np.isfinite(distance).reshape(there.shape).sum(axis=1)
