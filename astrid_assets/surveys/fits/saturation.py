"""Where pixels really saturate: the header's level, corrected by the pixels.

A 12-bit camera stores its 4095 in 16-bit numbers and says nothing; a header may
name a level below the sky. Both show in the pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA, median_deviation

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.surveys.fits.hdu import Hdu
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.profile import SurveyProfile

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


def stated_saturation(
    hdu: Hdu, header: HeaderView, profile: SurveyProfile, notes: list[str]
) -> float:
    """Return the level of the profile or the header, at most what the pixels can hold.

    Parameters
    ----------
    hdu, header
        The image and its header.
    profile
        Its `detector.saturation_adu` goes before the header.
    notes
        What was odd is added to it.

    Returns
    -------
    saturation : ADU, infinite where floating-point pixels have no level
    """
    top = _highest_value(hdu, header)
    if profile.detector.saturation_adu is not None:
        return profile.detector.saturation_adu
    found = header.first_number(profile.keywords.saturation)
    if found is None or found[1] <= 0:
        return top
    keyword, value = found
    if value > top:
        notes.append(f"{keyword} = {value:g} is above what the pixels can hold, {top:g}")
    return min(value, top)


def _highest_value(hdu: Hdu, header: HeaderView) -> float:
    """Return the largest value the stored numbers can have, in ADU."""
    if hdu.bitpix not in (8, 16):
        return math.inf
    scale = header.own_number("BSCALE")
    scale = 1.0 if scale is None or scale == 0 else scale
    lowest, highest = (0, 255) if hdu.bitpix == 8 else (-32768, 32767)
    zero = header.own_number("BZERO") or 0.0
    return (highest if scale > 0 else lowest) * scale + zero


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
    return median, MAD_TO_SIGMA * float(median_deviation(sample, median))
