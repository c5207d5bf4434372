"""Matching of two star lists, and the probability that a match is chance.

Points are positions on the focal plane. A start (an offset, or a similarity from
`star_patterns`) is refined until its pairs no longer change; the outcome is judged
by a likelihood ratio, whose chance is known without simulations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.astrometry.pixel_maps import Pairs, PixelMap, best_map

if TYPE_CHECKING:
    from astrid_assets.science.stars.star_list import Stars

Points = NDArray[np.float64]
Indices = NDArray[np.intp]
MATCH_PX = 3.0
"""First matching radius; it shrinks to the scatter found."""

MIN_MATCH_PX = 0.8
MIN_MATCHED = 3
GROWING_ROUNDS, SHRINKING_ROUNDS = 6, 4
SHARE_STARS = 30
CENTROID_FLOOR_PX = 0.03
GOOD_SNR = 10.0
VOTE_BIN_PX = 3.0
VOTING_STARS = 80
UNMATCHED_SHARES = (0.1, 0.3, 0.6, 0.9)
SCATTERS_PX = (0.1, 0.3, 1.0)
"""Assumptions about a true match: the share of stars that the other list lacks, and
the scatter of the others. The likelihood is the mean over all combinations."""


@dataclass(frozen=True)
class StarList:
    """One side of a match, brightest first.

    `pixels` (n, 2) on the detector, `plane` (n, 2) on the focal plane; `sigma_px`
    centroid errors; `snr`; `is_clean` unflagged.
    """

    pixels: Points
    plane: Points
    sigma_px: NDArray[np.float64]
    snr: NDArray[np.float64]
    is_clean: NDArray[np.bool_]

    @classmethod
    def of(cls, stars: Stars, plane: Points | None = None) -> StarList:
        """Make a list from measured stars.

        Parameters
        ----------
        stars
            Brightest first.
        plane : (n, 2), pixels
            Their positions on the focal plane; None: those on the detector.

        Returns
        -------
        stars
            With the centroid errors that FWHM and S/N imply.
        """
        pixels = np.column_stack([stars.x, stars.y])
        return cls(
            pixels,
            pixels if plane is None else plane,
            _centroid_errors(stars),
            stars.flux / np.maximum(stars.flux_err, 1e-9),
            stars.flag == 0,
        )

    def __len__(self) -> int:
        """Count the stars."""
        return len(self.pixels)


@dataclass(frozen=True)
class Match:
    """Matched stars, and the map between them: ``matrix p + shift``.

    `ours`, `theirs` index the two star lists; `rms_px` is the scatter per axis of
    the stars with S/N above 10; `share` the matched share of the brighter stars;
    `chance` bounds the probability that the match is due to chance alone.
    `pixel_map` is the whole map, polynomial included.
    """

    ours: Indices
    theirs: Indices
    matrix: Points
    shift: Points
    rms_px: float
    share: float
    chance: float
    pixel_map: PixelMap


def voted_offset(points: Points, goals: Points, reach_px: float) -> Points | None:
    """Return the offset goals - points on which most pairs agree.

    Parameters
    ----------
    points, goals : (n, 2), (m, 2), pixels
        Brightest first.
    reach_px : pixels
        Largest offset.

    Returns
    -------
    offset : (2,), pixels
        None when no pair is within reach.
    """
    tree = KDTree(goals[:VOTING_STARS])
    ours = points[:VOTING_STARS]
    near = tree.query_ball_point(ours, reach_px)
    first = np.repeat(np.arange(len(ours)), [len(js) for js in near])
    if not len(first):
        return None
    second = np.concatenate([np.sort(js) for js in near if js]).astype(np.intp)
    offsets = goals[second] - ours[first]
    crowd = KDTree(offsets)
    counts = crowd.query_ball_point(offsets, VOTE_BIN_PX, return_length=True)
    # Among equals the smallest correction of the header is the likeliest.
    score = np.asarray(counts) - 1e-3 * np.hypot(*offsets.T)
    best = offsets[int(np.argmax(score))]
    members = offsets[crowd.query_ball_point(best, VOTE_BIN_PX)]
    return np.median(members, axis=0)


def matched(
    ours: StarList,
    theirs: StarList,
    start: tuple[Points, Points],
    shape: tuple[int, int],
    tried: float,
    *,
    spent: int,
) -> Match | None:
    """Refine a map, pair the stars, and assess the outcome.

    Parameters
    ----------
    ours, theirs
        The two lists.
    start : matrix (2, 2), shift (2,)
        Map from our focal plane to theirs.
    shape : (ny, nx)
        Shape of our frame.
    tried
        Number of starts among which this one was found: each could match by chance.
    spent
        Number of stars that the start was made from: these match by construction.

    Returns
    -------
    match
        None with too few pairs.
    """
    goals = KDTree(theirs.plane)
    found = PixelMap(start[0], start[1], shape)
    radius, is_shrinking = MATCH_PX, False
    i, j = _paired(found(ours.pixels, ours.plane), theirs.plane, goals, radius)
    for step in range(GROWING_ROUNDS + SHRINKING_ROUNDS):
        if len(i) < MIN_MATCHED:
            return None
        pairs = _pairs(ours, theirs, i, j)
        found = best_map(pairs, start[0], shape, careful=False)
        is_shrinking = is_shrinking or step >= GROWING_ROUNDS
        if is_shrinking:
            left = pairs.goals - found(pairs.pixels, pairs.plane)
            spread = mad_sigma(left, 0)
            radius = float(np.clip(5 * spread, MIN_MATCH_PX, MATCH_PX))
        before = i, j
        here = found(ours.pixels, ours.plane)
        i, j = _paired(here, theirs.plane, goals, radius)
        if np.array_equal(i, before[0]) and np.array_equal(j, before[1]):
            if is_shrinking:
                break
            is_shrinking = True
    if len(i) < MIN_MATCHED:
        return None
    pairs = _pairs(ours, theirs, i, j)
    found = best_map(pairs, start[0], shape)
    i, j = _paired(found(ours.pixels, ours.plane), theirs.plane, goals, radius)
    if len(i) < MIN_MATCHED:
        return None
    here = found(ours.pixels, ours.plane)
    left = theirs.plane[j] - here[i]
    bright = (ours.snr[i] > GOOD_SNR) & (theirs.snr[j] > GOOD_SNR)
    clean = bright & ours.is_clean[i] & theirs.is_clean[j]
    used = next((w for w in (clean, bright) if w.sum() >= MIN_MATCHED), bright | True)
    # Two parameters of the map use up the position of one star.
    spent = max(spent, (3 if found.freedom > 1 else found.freedom + 1))
    return Match(
        i,
        j,
        found.matrix,
        found.shift,
        rms_px=float(np.sqrt(np.mean(left[used] ** 2))),
        share=_share(here, theirs.plane, (i, j), found, shape),
        chance=chance(here, theirs.plane, ours.sigma_px, tried, spent),
        pixel_map=found,
    )


def chance(
    here: Points, goals: Points, sigma_px: NDArray[np.float64], tried: float, spent: int
) -> float:
    """Bound the probability that unrelated stars match so well.

    Every star that should be visible in the other list votes with the likelihood of
    its nearest neighbour there, over that of a random position; stars without
    neighbour vote against. Under chance the ratio L has mean 1, so it exceeds t
    with a probability below 1 / t (Markov); `tried` starts make it tried / t. The
    `spent` stars with the highest votes made the map and are left out.

    Parameters
    ----------
    here : (n, 2), pixels
        Our stars, mapped to the other list's focal plane.
    goals : (m, 2), pixels
        The other list.
    sigma_px : (n,), pixels
        Centroid errors of our stars.
    tried
        Number of starts that were possible.
    spent
        Stars that are no evidence.

    Returns
    -------
    chance
        Upper bound, at most 1.

    References
    ----------
    Lang et al. 2010, AJ 139, 1782: the model of unmatched stars.
    """
    low, high = goals.min(axis=0) - 1, goals.max(axis=0) + 1
    inside = np.all((here > low) & (here < high), axis=1)
    # Density in a box around the targets; our stars outside it do not count.
    density = len(goals) / float(np.prod(high - low))
    distance, _ = KDTree(goals).query(here[inside])
    ratios = []
    for scatter in SCATTERS_PX:
        variance = sigma_px[inside] ** 2 + scatter**2
        near = np.exp(-np.minimum(distance**2 / (2 * variance), 700))
        # For random positions the mean of this ratio is at most 1.
        gain = near / (2 * np.pi * variance * density)
        for unmatched in UNMATCHED_SHARES:
            votes = np.log(unmatched + (1 - unmatched) * gain)
            ratios.append(np.sort(votes)[: max(len(votes) - spent, 0)].sum())
    log_ratio = float(np.logaddexp.reduce(ratios)) - np.log(len(ratios))
    return float(min(1.0, np.exp(min(np.log(max(tried, 1.0)) - log_ratio, 0.0))))


def _pairs(ours: StarList, theirs: StarList, i: Indices, j: Indices) -> Pairs:
    sigma = np.hypot(ours.sigma_px[i], theirs.sigma_px[j])
    return Pairs(ours.pixels[i], ours.plane[i], theirs.plane[j], sigma)


def _paired(here: Points, goals: Points, tree: KDTree, radius: float) -> tuple[Indices, Indices]:
    """Pair mutual nearest neighbours within a radius."""
    distance, there = tree.query(here, distance_upper_bound=radius)
    ours = np.flatnonzero(np.isfinite(distance))
    theirs = np.asarray(there, dtype=np.intp)[ours]
    if not len(ours):
        return ours, theirs
    _, back = KDTree(here).query(goals[theirs])
    mutual = np.asarray(back) == ours
    return ours[mutual], theirs[mutual]


def _share(
    here: Points,
    goals: Points,
    pairs: tuple[Indices, Indices],
    found: PixelMap,
    shape: tuple[int, int],
) -> float:
    """Return the matched share of the brighter stars where the frames overlap.

    The larger of both lists' shares: the deeper list has stars the other lacks.
    """
    low, high = goals.min(axis=0) - 5, goals.max(axis=0) + 5
    inside = np.all((here > low) & (here < high), axis=1)
    back = np.linalg.solve(found.matrix, (goals - found.shift).T).T
    there = np.all((back > 0) & (back < np.array(shape[::-1]) - 1), axis=1)
    shares = []
    for seen, those in ((inside, pairs[0]), (there, pairs[1])):
        top = np.flatnonzero(seen)[:SHARE_STARS]
        shares.append(float(np.isin(top, those).mean()) if len(top) else 0.0)
    return max(shares)


def _centroid_errors(stars: Stars) -> NDArray[np.float64]:
    """Centroid error per axis in pixels: FWHM / (2.35 S/N) with a floor."""
    snr = np.maximum(stars.flux / np.maximum(stars.flux_err, 1e-9), 1)
    width = np.where(np.isfinite(stars.fwhm_px), stars.fwhm_px, 4.0)
    error = np.hypot(CENTROID_FLOOR_PX, width / (2.35 * snr))
    return np.where(stars.flag == 0, error, np.maximum(3 * error, 0.3))
