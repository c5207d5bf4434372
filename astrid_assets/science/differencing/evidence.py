"""Evidence: the single measurements behind a difference's numbers.

Gathered while the images are at hand, for the picture that shows a night's gates. No
verdict is read from it, and it is not kept with the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.matched import Matched
    from astrid_assets.science.differencing.star_fit import CommonStars, Values

SCORE_EDGES = np.linspace(-8.0, 8.0, 65)
"""Bin edges of the histogram of the score, in sigma; scores outside count in the end bins."""


@dataclass(frozen=True)
class Evidence:
    """What the common stars and the blank sky showed.

    Attributes
    ----------
    x, y, snr : (n,)
        Positions and S/N of the common stars in the science frame.
    ratio : (n,)
        Each star's flux ratio over the adopted one.
    dx_px, dy_px : (n,)
        Offset of a star from its position after registration.
    residual : (n,)
        PSF flux left at a star, over its flux.
    score_counts : (m,)
        Pixels of blank sky between `SCORE_EDGES`, a sample of them on large frames.
    """

    x: Values
    y: Values
    snr: Values
    ratio: Values
    dx_px: Values
    dy_px: Values
    residual: Values
    score_counts: NDArray[np.int64]


def gather(stars: CommonStars, matched: Matched, blank_scores: Image) -> Evidence:
    """Collect what the picture shows.

    Parameters
    ----------
    stars
        The common stars.
    matched
        Products of the subtraction, (ny, nx) each.
    blank_scores : (k,), sigma
        The score on blank sky, or a sample of it.

    Returns
    -------
    evidence : (n,) per star, (m,) per bin
        Positions in pixels, relative fluxes, counts.
    """
    at = np.rint(stars.y).astype(int), np.rint(stars.x).astype(int)
    light = matched.flux_science[at].astype(np.float64)
    inside = np.clip(blank_scores, SCORE_EDGES[0], SCORE_EDGES[-1])
    return Evidence(
        x=stars.x,
        y=stars.y,
        snr=stars.snr,
        ratio=stars.ratios,
        dx_px=stars.left_px[:, 0],
        dy_px=stars.left_px[:, 1],
        residual=matched.flux[at] / np.where(light == 0, np.inf, light),
        score_counts=np.histogram(inside, SCORE_EDGES)[0].astype(np.int64),
    )
