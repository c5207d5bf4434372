"""Where a frame points: its WCS verified, or solved, against the anchor's stars.

The anchor is the frame whose stars define the field. A header's WCS is believed
only after its stars fell onto the anchor's; otherwise the star patterns decide.
A match must be too good for chance, or there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.stats import poisson

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.star_patterns import propose, similarity
from astrid_assets.science.wcs_tools import moved, to_pixels

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.frame import Stars

Points = NDArray[np.float64]
SEARCH_PX = 60.0
"""Pointing errors up to here are found by voting; farther ones by patterns."""

VOTE_BIN_PX = 3.0
VOTING_STARS = 80
MATCH_PX = 3.0
"""First matching radius; it shrinks to the scatter found."""

MIN_MATCH_PX = 0.8
MIN_MATCHED = 3
MIN_SHARE = 0.4
"""Of the brighter stars of the shallower list, inside the common area."""

SHARE_STARS = 30
MAX_CHANCE = 1e-3
"""Probability that stars fell together by chance, over all the places tried."""

SIMILARITY_STARS, AFFINE_STARS = 6, 12
F_LIMIT = 6.0
"""Drop of chi-squared per parameter, over chi-squared per degree of freedom, at
which a freer model is believed."""

CENTROID_FLOOR_PX = 0.03
GOOD_SNR = 10.0


@dataclass(frozen=True)
class Match:
    """Which stars agree, and the map that makes them: ``matrix p + shift``.

    `ours`, `theirs` index the two star lists; `rms_px` is the scatter per axis of
    the stars with S/N above 10; `share` the matched share of the brighter stars;
    `chance` the probability that nothing but chance is behind it.
    """

    ours: NDArray[np.intp]
    theirs: NDArray[np.intp]
    matrix: Points
    shift: Points
    rms_px: float
    share: float
    chance: float


@dataclass(frozen=True)
class Solution:
    """A frame's WCS in the anchor's system; `from_header` when the header was right.

    `offset_px` is how far the header was off, NaN when patterns solved it.
    """

    wcs: WCS
    match: Match
    from_header: bool
    offset_px: float


def solve_wcs(
    stars: Stars, wcs: WCS | None, anchor_stars: Stars, anchor_wcs: WCS,
    shape: tuple[int, int],
) -> Solution:  # fmt: skip
    """Find the WCS of a frame from its stars.

    Parameters
    ----------
    stars, shape
        Of the frame, brightest first.
    wcs
        The header's; None goes straight to patterns.
    anchor_stars, anchor_wcs
        The field's.

    Raises
    ------
    FrameRejected
        `wrong_field` when enough stars are there but they are not the anchor's;
        `too_few_stars` when there are too few to tell.
    """
    if min(len(stars), len(anchor_stars)) < MIN_MATCHED:
        raise FrameRejected(
            "too_few_stars",
            f"{len(stars)} stars in the frame, {MIN_MATCHED} needed to find its place",
            found=len(stars), needed=MIN_MATCHED,
        )  # fmt: skip
    if wcs is not None:
        verified = _verified(stars, wcs, anchor_stars, shape)
        if verified is not None:
            return verified
    pattern = match_patterns(stars, anchor_stars, shape)
    if pattern is None:
        raise FrameRejected(
            "wrong_field",
            f"the {len(stars)} stars of the frame are not those of the field: "
            "neither the header's WCS nor the star patterns fit",
            n_stars=len(stars),
        )
    solved = moved(anchor_wcs, pattern.matrix, pattern.shift)
    return Solution(solved, pattern, from_header=False, offset_px=float("nan"))


def match_patterns(
    stars: Stars, targets: Stars, shape: tuple[int, int]
) -> Match | None:
    """Match two star lists of unknown shift and rotation; None if none is credible."""
    points, goals = _points(stars), _points(targets)
    # Saturated cores wander and rank first; they must not make up the patterns.
    calm = [
        list_[_pattern_order(who)] for list_, who in ((points, stars), (goals, targets))
    ]
    found = propose(calm[0], calm[1], MATCH_PX)
    if found is None:
        return None
    matrix, shift, _, tried = found
    return _matched(stars, targets, goals, (matrix, shift), shape, tried, spent=2)


def _verified(
    stars: Stars, wcs: WCS, anchor: Stars, shape: tuple[int, int]
) -> Solution | None:
    """Check the header's WCS; a pointing error is found by voting on offsets."""
    try:
        predicted = to_pixels(wcs, anchor.ra_deg, anchor.dec_deg)
    except FrameRejected:
        return None
    ny, nx = shape
    inside = np.all((predicted > -SEARCH_PX)
                    & (predicted < np.array([nx, ny]) + SEARCH_PX), axis=1)  # fmt: skip
    if np.count_nonzero(inside) < MIN_MATCHED:
        return None
    offset = _voted_offset(_points(stars), predicted[inside])
    if offset is None:
        return None
    cells = max(1.0, float(offset @ offset) / MATCH_PX**2)
    start = np.eye(2), offset
    match = _matched(stars, anchor, predicted, start, shape, cells, spent=1)
    if match is None:
        return None
    solved = moved(wcs, match.matrix, match.shift)
    middle = np.array([(nx - 1) / 2, (ny - 1) / 2])
    off = float(np.hypot(*(match.matrix @ middle + match.shift - middle)))
    return Solution(solved, match, from_header=True, offset_px=off)


def _voted_offset(points: Points, goals: Points) -> Points | None:
    """Return the offset goals - points on which most pairs agree."""
    tree = KDTree(goals[:VOTING_STARS])
    ours = points[:VOTING_STARS]
    near = tree.query_ball_point(ours, SEARCH_PX)
    pairs = [(i, j) for i, js in enumerate(near) for j in sorted(js)]
    if not pairs:
        return None
    first, second = np.array(pairs).T
    offsets = goals[second] - ours[first]
    crowd = KDTree(offsets)
    counts = np.array([len(c) for c in crowd.query_ball_point(offsets, VOTE_BIN_PX)])
    # Among equals the smallest correction of the header is the likeliest.
    score = counts - 1e-3 * np.hypot(*offsets.T)
    best = offsets[int(np.argmax(score))]
    members = offsets[crowd.query_ball_point(best, VOTE_BIN_PX)]
    return np.median(members, axis=0)


def _matched(
    stars: Stars, targets: Stars, goals: Points, start: tuple[Points, Points],
    shape: tuple[int, int], tried: float, *, spent: int,
) -> Match | None:  # fmt: skip
    """Refine a map, pair the stars, and judge the outcome."""
    points = _points(stars)
    matrix, shift = start
    radius = MATCH_PX
    errors = _centroid_errors(stars), _centroid_errors(targets)
    ours, theirs = _pairs(points @ matrix.T + shift, goals, radius)
    for _ in range(5):
        if len(ours) < MIN_MATCHED:
            return None
        sigma = np.hypot(errors[0][ours], errors[1][theirs])
        matrix, shift = _best_map(points[ours], goals[theirs], sigma, start[0])
        left = goals[theirs] - (points[ours] @ matrix.T + shift)
        spread = 1.4826 * float(np.median(np.abs(left)))
        radius = float(np.clip(5 * spread, MIN_MATCH_PX, MATCH_PX))
        ours, theirs = _pairs(points @ matrix.T + shift, goals, radius)
    if len(ours) < MIN_MATCHED:
        return None
    left = goals[theirs] - (points[ours] @ matrix.T + shift)
    bright = (_snr(stars)[ours] > GOOD_SNR) & (_snr(targets)[theirs] > GOOD_SNR)
    clean = bright & ((stars.flag[ours] | targets.flag[theirs]) == 0)
    used = next((w for w in (clean, bright) if w.sum() >= MIN_MATCHED), bright | True)
    rms = float(np.sqrt(np.mean(left[used] ** 2)))
    share = _share(points @ matrix.T + shift, goals, (ours, theirs), (matrix, shift),
                   shape)  # fmt: skip
    chance = _chance(len(ours) - spent, len(points), len(goals), shape, radius, tried)
    if share < MIN_SHARE or chance > MAX_CHANCE:
        return None
    return Match(ours, theirs, matrix, shift, rms, share, chance)


def _best_map(
    points: Points, goals: Points, sigma: NDArray[np.float64], turn: Points
) -> tuple[Points, Points]:
    """Fit the simplest map the stars ask for: shift, similarity, affine."""
    weight = 1 / sigma**2
    turned = points @ turn.T
    shift = np.average(goals - turned, axis=0, weights=weight)
    best = turn, shift
    chi2, free = _chi2(points, goals, sigma, best), 2 * len(points) - 2
    trials = (
        (SIMILARITY_STARS, 4, _weighted_similarity),
        (AFFINE_STARS, 6, _weighted_affine),
    )
    used = 2
    for needed, parameters, fit in trials:
        if len(points) < needed:
            break
        trial = fit(points, goals, weight)
        new = _chi2(points, goals, sigma, trial)
        gain = (chi2 - new) / (parameters - used)
        if gain > F_LIMIT * max(new / max(free - parameters + used, 1), 1e-12):
            best, chi2, used = trial, new, parameters
            free = 2 * len(points) - parameters
    return best


def _chi2(
    points: Points, goals: Points, sigma: NDArray[np.float64],
    linear: tuple[Points, Points],
) -> float:  # fmt: skip
    """Sum of squared residuals in sigmas, each limited: one wrong pair rules none."""
    left = (goals - (points @ linear[0].T + linear[1])) / sigma[:, None]
    scale = max(1.4826 * float(np.median(np.abs(left))), 1.0)
    return float(np.minimum(left**2, (4 * scale) ** 2).sum())


def _weighted_similarity(
    points: Points, goals: Points, weight: NDArray[np.float64]
) -> tuple[Points, Points]:
    """Shift, rotation and scale."""
    centre = np.average(points, axis=0, weights=weight)
    goal = np.average(goals, axis=0, weights=weight)
    root = np.sqrt(weight)[:, None]
    p, q = (points - centre) * root, (goals - goal) * root
    both = np.vstack([p, -p]), np.vstack([q, -q])
    matrix, _ = similarity(*both)
    return matrix, goal - matrix @ centre


def _weighted_affine(
    points: Points, goals: Points, weight: NDArray[np.float64]
) -> tuple[Points, Points]:
    """Any linear map."""
    design = np.column_stack([points, np.ones(len(points))])
    root = np.sqrt(weight)[:, None]
    terms, *_ = np.linalg.lstsq(design * root, goals * root, rcond=None)
    terms = np.asarray(terms, dtype=np.float64)
    return terms[:2].T, terms[2]


def _pairs(
    points: Points, goals: Points, radius: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair mutual nearest neighbours within a radius."""
    distance, there = _nearest(goals, points)
    _, back = _nearest(points, goals)
    ours = np.flatnonzero(distance < radius)
    mutual = back[there[ours]] == ours
    return ours[mutual], there[ours][mutual]


def _nearest(among: Points, of: Points) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return distance and index of the nearest neighbour of each point."""
    distance, index = KDTree(among).query(of)
    return np.asarray(distance, dtype=np.float64), np.asarray(index, dtype=np.intp)


def _share(
    mapped: Points, goals: Points, pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    linear: tuple[Points, Points], shape: tuple[int, int],
) -> float:  # fmt: skip
    """Matched share of the brighter stars where the frames overlap.

    The larger of both lists' shares: the deeper list has stars the other lacks.
    """
    low, high = goals.min(axis=0) - 5, goals.max(axis=0) + 5
    here = np.all((mapped > low) & (mapped < high), axis=1)
    back = np.linalg.solve(linear[0], (goals - linear[1]).T).T
    there = np.all((back > 0) & (back < np.array(shape[::-1]) - 1), axis=1)
    shares = []
    for inside, matched in ((here, pairs[0]), (there, pairs[1])):
        top = np.flatnonzero(inside)[:SHARE_STARS]
        shares.append(float(np.isin(top, matched).mean()) if len(top) else 0.0)
    return max(shares)


def _chance(
    hits: int, n_ours: int, n_theirs: int, shape: tuple[int, int], radius: float,
    tried: float,
) -> float:  # fmt: skip
    """Return the probability of that many coincidences anywhere among those tried."""
    density = n_theirs / (shape[0] * shape[1])
    expected = n_ours * (1 - np.exp(-density * np.pi * radius**2))
    return float(min(1.0, poisson.sf(max(hits, 1) - 1, expected) * tried))


def _points(stars: Stars) -> Points:
    return np.column_stack([stars.x, stars.y])


def _snr(stars: Stars) -> NDArray[np.float64]:
    return stars.flux / np.maximum(stars.flux_err, 1e-9)


def _pattern_order(stars: Stars) -> NDArray[np.intp]:
    """Order for the patterns: the brightest first, damaged ones last."""
    from astrid_assets.science.stars import StarFlag

    damaged = (stars.flag & (StarFlag.SATURATED | StarFlag.MASKED)) != 0
    return np.lexsort((-stars.flux, damaged)).astype(np.intp)


def _centroid_errors(stars: Stars) -> NDArray[np.float64]:
    """Centroid error per axis in pixels: FWHM / (2.35 S/N) with a floor."""
    width = np.where(np.isfinite(stars.fwhm_px), stars.fwhm_px, 4.0)
    error = np.hypot(CENTROID_FLOOR_PX, width / (2.35 * np.maximum(_snr(stars), 1)))
    return np.where(stars.flag == 0, error, np.maximum(3 * error, 0.3))
