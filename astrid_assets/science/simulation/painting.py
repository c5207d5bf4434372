"""Painting stars into an image with the true, position-dependent PSF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erf

from astrid_assets.science.simulation.point_spread import (
    Array,
    PsfField,
    star_stamps,
    support,
)

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

FAINT_FLUX_E = 4000.0
"""Below this flux only the inner part of the profile is painted …"""

FAINT_EDGE_FWHM = 3.0
"""… out to this radius: what is left out is under 1 % of the flux, spread over
hundreds of pixels of a sky of several hundred electrons each."""

CHUNK_PIXELS = 400_000
"""Stamps are computed in chunks that stay in the processor's cache."""


def paint_stars(
    image: Image,
    x: Array,
    y: Array,
    flux_e: Array,
    field: PsfField,
    *,
    widening: Array | None = None,
    whole: bool = False,
) -> None:
    """Add stars to an image, in place; light outside the image is lost.

    Parameters
    ----------
    image : (ny, nx), electrons
        Changed in place.
    x, y : (n,), pixels
        Positions of the stars.
    flux_e : (n,), electrons
        Fluxes, of any sign.
    field
        The PSF at every position of the frame.
    widening : (n,), optional
        Factor on the FWHM per star (brighter-fatter effect).
    whole
        Paint faint stars, too, with their whole profile.
    """
    widest = np.ones_like(x) if widening is None else widening
    fwhm = float((field.fwhm_at(x, y) * widest).max()) if x.size else 0.0
    is_faint = (np.abs(flux_e) < FAINT_FLUX_E) & (not whole)
    for members, half in (
        (np.flatnonzero(~is_faint), support(fwhm)),
        (np.flatnonzero(is_faint), int(np.ceil(FAINT_EDGE_FWHM * fwhm))),
    ):
        ny, nx = image.shape
        reach = half + 1
        inside = (
            (x[members] > -reach)
            & (x[members] < nx + reach)
            & (y[members] > -reach)
            & (y[members] < ny + reach)
        )
        chosen = members[inside]
        step = max(1, CHUNK_PIXELS // (2 * half + 1) ** 2)
        for start in range(0, len(chosen), step):
            chunk = chosen[start : start + step]
            _paint_chunk(image, x[chunk], y[chunk], flux_e[chunk], field, half, widest[chunk])


def _paint_chunk(
    image: Image,
    x: Array,
    y: Array,
    flux_e: Array,
    field: PsfField,
    half: int,
    widening: Array,
) -> None:
    columns, rows = np.rint(x).astype(int), np.rint(y).astype(int)
    painted = star_stamps(field, x, y, x - columns, y - rows, half, widening=widening)
    painted *= flux_e.astype(np.float32)[:, None, None]
    for stamp, column, row in zip(painted, columns, rows, strict=True):
        add_stamp(image, stamp, int(column), int(row))


def add_stamp(image: Image, stamp: Image, column: int, row: int) -> None:
    """Add a stamp centred on a pixel; what falls outside the image is lost.

    Parameters
    ----------
    image : (ny, nx)
        Changed in place.
    stamp : (n, m), both odd
        In the unit of the image.
    column, row : pixels
        Pixel of the image under the middle of the stamp.
    """
    half_y, half_x = stamp.shape[0] // 2, stamp.shape[1] // 2
    ny, nx = image.shape
    top, left = row - half_y, column - half_x
    y0, y1 = max(top, 0), min(top + stamp.shape[0], ny)
    x0, x1 = max(left, 0), min(left + stamp.shape[1], nx)
    if y0 < y1 and x0 < x1:
        image[y0:y1, x0:x1] += stamp[y0 - top : y1 - top, x0 - left : x1 - left]


def deposit(image: Image, x: float, y: float, electrons: float, sigma: float) -> None:
    """Add a round Gaussian integrated over pixels; what falls outside is lost.

    Parameters
    ----------
    image : (ny, nx), electrons
        Changed in place.
    x, y : pixels
        Centre.
    electrons
        Sum over all pixels.
    sigma : pixels
        Width before pixel integration.
    """
    half = int(np.ceil(4 * sigma)) + 1
    column, row = round(x), round(y)
    edges = np.arange(-half, half + 2) - 0.5
    scale = sigma * np.sqrt(2)
    in_x = np.diff(erf((edges - (x - column)) / scale)) / 2
    in_y = np.diff(erf((edges - (y - row)) / scale)) / 2
    stamp = (electrons * np.outer(in_y, in_x)).astype(np.float32)
    add_stamp(image, stamp, column, row)
