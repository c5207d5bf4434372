"""Where pixels really saturate: the header's level, corrected by the pixels.

A 12-bit camera stores its 4095 in 16-bit numbers and says nothing; a header may
name a level below the sky. Both show in the pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

SAMPLE = 100_000
MIN_PILED = 8
"""Pixels at exactly the highest value: fewer may be chance."""
PILE_OVER_NEIGHBOURS = 3.0
"""Piled pixels over those in the 2 % below; a star's profile has fewer on top."""
PILE_DEPTH = 0.02
MIN_LEVEL_ADU = 1000.0
"""No converter has fewer than 10 bits, but damaged rows share odd low values."""
PILE_SIGMA = 30.0
"""Only a level that far above the sky can be a saturation level."""


def believable_saturation(data: Image, stated: float, notes: list[str]) -> float:
    """Return the level from which on pixels count as saturated.

    Parameters
    ----------
    data : (ny, nx), ADU
    stated : ADU
        From profile or header, or the top of the number type; may be infinite.
    """
    finite = data[np.isfinite(data)]
    median, sigma = level_and_scatter(finite)
    top = float(finite.max())
    if stated <= median:
        notes.append(
            f"the saturation level {stated:g} lies below the frame's median "
            f"{median:g} and is not believed"
        )
        stated = np.inf
    if top >= stated or top < max(MIN_LEVEL_ADU, median + PILE_SIGMA * sigma):
        return stated
    piled = int(np.sum(finite == top))
    depth = PILE_DEPTH * (top - median)
    below = int(np.sum((finite < top) & (finite >= top - depth)))
    if piled >= MIN_PILED and piled > PILE_OVER_NEIGHBOURS * below:
        notes.append(f"{piled} pixels share the highest value {top:g}: taken as saturation")
        return top
    return stated


def level_and_scatter(values: Image) -> tuple[float, float]:
    """Return median and robust sigma, from at most some 100 000 of the values."""
    sample = values.ravel()[:: max(1, values.size // SAMPLE)]
    median = float(np.median(sample))
    return median, 1.4826 * float(np.median(np.abs(sample - median)))
