"""A frame's WCS, verified or solved against the anchor's stars.

The anchor is the frame whose stars define the field. A header's WCS is accepted
only if its stars match the anchor's; otherwise the star patterns decide. A match must
be too good for chance, or there is none. Stars are compared on the focal plane, so a
known distortion stays with the detector wherever it points; its residual is fitted as
far as the stars support it (`pixel_maps`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import NDArray

from astrid_assets.science.astrometry.distortion import focal_plane, mapped_wcs, sky_to_plane
from astrid_assets.science.astrometry.residuals import Residuals
from astrid_assets.science.astrometry.star_matching import (
    MATCH_PX,
    MIN_MATCHED,
    Match,
    StarList,
    matched,
    voted_offset,
)
from astrid_assets.science.astrometry.star_patterns import propose
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.stars.star_list import Stars

Points = NDArray[np.float64]
SEARCH_PX = 60.0
"""Pointing errors up to here are found by voting; farther ones by patterns."""

MIN_SHARE = 0.4
"""Least matched share of the shallower list's brighter stars in the common area."""

MAX_CHANCE = 1e-4
"""Highest accepted bound on the probability that the stars match by chance in any of the
starts tried; the probability itself is far below its bound."""


@dataclass(frozen=True)
class Solution:
    """A frame's WCS in the anchor's system, and the residuals of its stars.

    `from_header` is true when the header was right; `offset_px` is its error at the
    middle, NaN when patterns solved it. `kind` names the map that was needed on top:
    shift, similarity, affine, quadratic, cubic.
    """

    wcs: WCS
    match: Match
    from_header: bool
    offset_px: float
    residuals: Residuals

    @property
    def kind(self) -> str:
        """The kind of map that the stars support."""
        return self.match.pixel_map.kind


def solve_wcs(
    stars: Stars, wcs: WCS | None, anchor_stars: Stars, anchor_wcs: WCS, shape: tuple[int, int]
) -> Solution:
    """Find the WCS of a frame from its stars.

    Parameters
    ----------
    stars
        Stars of the frame, brightest first.
    wcs
        The header's WCS; None: star patterns are matched at once.
    anchor_stars, anchor_wcs
        Stars and WCS of the field's anchor; the stars have positions on the sky.
    shape : (ny, nx)
        Shape of the frame.

    Returns
    -------
    solution
        In the anchor's system.

    Raises
    ------
    FrameRejected
        `wrong_field` when enough stars are there but they are not the anchor's;
        `too_few_stars` when there are too few to decide.
    """
    if min(len(stars), len(anchor_stars)) < MIN_MATCHED:
        raise FrameRejected(
            ReasonCode.TOO_FEW_STARS,
            f"{len(stars)} stars in the frame, {len(anchor_stars)} in the field; "
            f"{MIN_MATCHED} needed to find its position",
            found=min(len(stars), len(anchor_stars)),
            needed=MIN_MATCHED,
        )
    tries: list[tuple[str, Match | None]] = []
    if wcs is not None:
        match, offset = _by_header(stars, wcs, anchor_stars, shape)
        if match is not None and is_credible(match):
            return _solution(stars, anchor_stars, wcs, match, offset)
        tries.append(("the header's WCS", match))
    match = _by_patterns(stars, anchor_stars, anchor_wcs, shape)
    if match is not None and is_credible(match):
        return _solution(stars, anchor_stars, anchor_wcs, match, None)
    tries.append(("the star patterns", match))
    raise _unsolved(stars, anchor_stars, tries)


def is_credible(match: Match) -> bool:
    """Return whether a match is no chance match and has most of the brighter stars.

    Parameters
    ----------
    match
        The stars of a frame paired with those of its field.

    Returns
    -------
    is_credible
        True for a share of at least 0.4 and a chance of at most 1e-4.
    """
    return match.share >= MIN_SHARE and match.chance <= MAX_CHANCE


def match_patterns(stars: Stars, targets: Stars, shape: tuple[int, int]) -> Match | None:
    """Match two star lists of unknown shift, rotation and parity, pixel to pixel.

    Parameters
    ----------
    stars, targets
        Two lists in pixels of nearly the same scale.
    shape : (ny, nx)
        Shape of the frame that `stars` are on.

    Returns
    -------
    match
        None when no match is credible.
    """
    found = _best_pattern(StarList.of(stars), StarList.of(targets), stars, targets, shape)
    return found if found is not None and is_credible(found) else None


def _by_header(
    stars: Stars, wcs: WCS, anchor: Stars, shape: tuple[int, int]
) -> tuple[Match | None, float]:
    """Check the header's WCS; a pointing error is found by voting on offsets."""
    ours = StarList.of(stars, focal_plane(wcs, _pixels(stars)))
    goals = sky_to_plane(wcs, anchor.ra_deg, anchor.dec_deg)
    ny, nx = shape
    inside = np.all((goals > -SEARCH_PX) & (goals < np.array([nx, ny]) + SEARCH_PX), axis=1)
    if np.count_nonzero(inside) < MIN_MATCHED:
        return None, float("nan")
    offset = voted_offset(ours.plane, goals[inside], SEARCH_PX)
    if offset is None:
        return None, float("nan")
    cells = max(1.0, float(offset @ offset) / MATCH_PX**2)
    theirs = StarList.of(anchor, np.where(np.isfinite(goals), goals, 1e9))
    match = matched(ours, theirs, (np.eye(2), offset), shape, cells, spent=1)
    if match is None:
        return None, float("nan")
    middle = np.array([[(nx - 1) / 2, (ny - 1) / 2]])
    plane = focal_plane(wcs, middle)
    off = match.pixel_map(middle, plane) - plane
    return match, float(np.hypot(*off[0]))


def _by_patterns(
    stars: Stars, anchor: Stars, anchor_wcs: WCS, shape: tuple[int, int]
) -> Match | None:
    """Match the patterns; both frames are assumed to share the camera's distortion."""
    ours = StarList.of(stars, focal_plane(anchor_wcs, _pixels(stars)))
    goals = sky_to_plane(anchor_wcs, anchor.ra_deg, anchor.dec_deg)
    return _best_pattern(ours, StarList.of(anchor, goals), stars, anchor, shape)


def _best_pattern(
    ours: StarList, theirs: StarList, stars: Stars, targets: Stars, shape: tuple[int, int]
) -> Match | None:
    """Try the star patterns as they are, then mirrored."""
    # Saturated cores have poor centroids and rank first; patterns must not rely on them.
    points = ours.plane[_pattern_order(stars)]
    goals = theirs.plane[_pattern_order(targets)]
    best: Match | None = None
    for is_mirrored in (False, True):
        found = propose(points, goals, MATCH_PX, is_mirrored=is_mirrored)
        if found is None:
            continue
        tried = found.tried * (2.0 if is_mirrored else 1.0)
        start = found.matrix, found.shift
        match = matched(ours, theirs, start, shape, tried, spent=3)
        if match is not None and (best is None or match.chance < best.chance):
            best = match
        if best is not None and is_credible(best):
            break
    return best


def _solution(
    stars: Stars, anchor: Stars, base: WCS, match: Match, offset_px: float | None
) -> Solution:
    """Turn a match into a WCS with its residuals."""
    solved = mapped_wcs(base, match.pixel_map)
    ours, theirs = match.ours, match.theirs
    pixels = _pixels(stars)[ours]
    goals = sky_to_plane(solved, anchor.ra_deg[theirs], anchor.dec_deg[theirs])
    # Distortion turns and stretches the residuals by a few per cent only.
    left = focal_plane(solved, pixels) - goals
    snr = [_snr(stars)[ours], _snr(anchor)[theirs]]
    residuals = Residuals(
        x=pixels[:, 0],
        y=pixels[:, 1],
        dx=left[:, 0],
        dy=left[:, 1],
        snr=np.minimum(*snr),
        is_clean=(stars.flag[ours] | anchor.flag[theirs]) == 0,
        scale_arcsec=float(np.sqrt(np.prod(proj_plane_pixel_scales(solved)))) * 3600,
    )
    return Solution(
        solved,
        match,
        from_header=offset_px is not None,
        offset_px=float("nan") if offset_px is None else offset_px,
        residuals=residuals,
    )


def _unsolved(stars: Stars, anchor: Stars, tries: list[tuple[str, Match | None]]) -> FrameRejected:
    """Report how near to a solution the stars came."""
    said = []
    for name, match in tries:
        if match is None:
            said.append(f"{name} bring no {MIN_MATCHED} stars together")
        else:
            said.append(
                f"{name} bring {len(match.ours)} together, {match.share:.0%} of the "
                f"brighter ones, by chance with a probability up to {match.chance:.1g}"
            )
    best = min((m for _, m in tries if m is not None), key=lambda m: m.chance, default=None)
    return FrameRejected(
        ReasonCode.WRONG_FIELD,
        f"the {len(stars)} stars of the frame are not those of the field: " + "; ".join(said),
        n_stars=len(stars),
        n_field=len(anchor),
        matched=len(best.ours) if best else 0,
        chance=best.chance if best else 1.0,
    )


def _pixels(stars: Stars) -> Points:
    return np.column_stack([stars.x, stars.y])


def _snr(stars: Stars) -> NDArray[np.float64]:
    return stars.flux / np.maximum(stars.flux_err, 1e-9)


def _pattern_order(stars: Stars) -> NDArray[np.intp]:
    """Order for the patterns: the brightest first, damaged ones last."""
    from astrid_assets.science.stars.measurement import StarFlag

    damaged = (stars.flag & (StarFlag.SATURATED | StarFlag.MASKED)) != 0
    return np.lexsort((-stars.flux, damaged)).astype(np.intp)
