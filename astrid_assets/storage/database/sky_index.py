"""Positions on the sky as numbers a database can index: nested HEALPix, order 18.

A cone becomes a few ranges of such numbers (half-open: ``low <= pixel < high``) that
cover it; the exact distance is tested afterwards. Works on any database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy_healpix import HEALPix
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

ORDER = 18  # pixels of 0.8 arcsec: as fine as positions are known
MAX_PIXELS_ACROSS = 8  # of the coarser grid that covers a cone: a few dozen ranges
ARCSEC = 3600.0  # per degree

Ranges = list[tuple[int, int]]
Floats = NDArray[np.float64]


def healpix_of(ra_deg: Floats, dec_deg: Floats) -> NDArray[np.int64]:
    """Return the pixel of each position."""
    pixels = HEALPix(2**ORDER, order="nested").lonlat_to_healpix(
        np.asarray(ra_deg, dtype=np.float64) % 360 * u.deg,
        np.asarray(dec_deg, dtype=np.float64) * u.deg,
    )
    return np.asarray(pixels, dtype=np.int64)


def cone_ranges(ra_deg: float, dec_deg: float, radius_arcsec: float) -> Ranges:
    """Return ranges of pixels that cover a cone, sorted and apart.

    Raises
    ------
    ValueError
        If the position is not on the sky or the radius not an angle up to 180 deg.
    """
    if not (np.isfinite(ra_deg) and -90 <= dec_deg <= 90):
        raise ValueError(f"({ra_deg}, {dec_deg}) degrees is not a position on the sky")
    if not 0 < radius_arcsec <= 180 * ARCSEC:
        raise ValueError(f"{radius_arcsec} arcsec is no radius of a cone")
    order = _order_for(radius_arcsec)
    grid = HEALPix(2**order, order="nested")
    pixels = grid.cone_search_lonlat(
        ra_deg % 360 * u.deg, dec_deg * u.deg, radius_arcsec / ARCSEC * u.deg
    )
    # The position's own pixel: a cone far smaller than a pixel may touch no centre.
    centre = grid.lonlat_to_healpix(ra_deg % 360 * u.deg, dec_deg * u.deg)
    # One ring of neighbours, for cones that only graze a pixel.
    found = np.unique(np.append(pixels, centre))
    with np.errstate(invalid="ignore"):  # some pixels have seven neighbours, then -1
        around = np.unique(np.append(grid.neighbours(found).ravel(), found))
    shift = 2 * (ORDER - order)
    return merged((int(pixel) << shift, int(pixel + 1) << shift) for pixel in around[around >= 0])


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the same pixels as ranges that are sorted and apart."""
    result: Ranges = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1]:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result


def distance_arcsec(
    ra_deg: Floats | float, dec_deg: Floats | float, ra2: Floats, dec2: Floats
) -> Floats:
    """Return distances on the sky, exact at any separation (Vincenty)."""
    lon1, lat1 = np.radians(ra_deg), np.radians(dec_deg)
    lon2, lat2 = np.radians(ra2), np.radians(dec2)
    dlon = lon2 - lon1
    across = np.cos(lat2) * np.sin(dlon)
    along = np.cos(lat1) * np.sin(lat2) - np.sin(lat1) * np.cos(lat2) * np.cos(dlon)
    inward = np.sin(lat1) * np.sin(lat2) + np.cos(lat1) * np.cos(lat2) * np.cos(dlon)
    return np.degrees(np.arctan2(np.hypot(across, along), inward)) * ARCSEC


def _order_for(radius_arcsec: float) -> int:
    """Choose the grid whose pixels are just small enough for the cone."""
    side_arcsec = 58.6 * ARCSEC  # of a pixel of order 0; halves with every order
    order = 0
    while order < ORDER and side_arcsec * MAX_PIXELS_ACROSS > 2 * radius_arcsec:
        order += 1
        side_arcsec /= 2
    return order
