"""Small parts of stored frames and differences: only the tiles that hold them are read.

What a position asks of a file: its pixel, the mask there, the score and its error.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs import NoConvergence

from astrid_assets.storage.fits.cards import header_of, number_or_none, wcs_from_cards
from astrid_assets.storage.fits.opening import opened

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Place:
    """Where a position lies on an image.

    Attributes
    ----------
    x, y : pixels
        None where the image has no WCS or cannot show that part of the sky.
    is_inside
        Whether it is on a pixel of the image.
    scale_arcsec : per pixel
    """

    x: float | None
    y: float | None
    is_inside: bool
    scale_arcsec: float | None


@dataclass(frozen=True)
class DifferenceThere:
    """What a difference shows at a position; `mask_bits` as within one pixel.

    Attributes
    ----------
    score_sigma, flux_err_e
        S_corr and the error of a point source's flux at the nearest pixel; None
        outside.
    peak_sigma
        The S_corr of largest size within `radius_px`, sign kept.
    """

    place: Place
    mask_bits: int | None
    score_sigma: float | None
    flux_err_e: float | None
    peak_sigma: float | None
    zero_point_mag: float | None


def difference_there(
    content: bytes, ra_deg: float, dec_deg: float, radius_px: float
) -> DifferenceThere:
    """Return what a file of `difference_to_fits` says about a position."""
    with opened(content) as hdus:
        wcs = wcs_from_cards(header_of(hdus, "DIFFERENCE"))
        shape = _shape(hdus, "SCORE")
        place = place_on(wcs, shape, ra_deg, dec_deg)
        zero_point = number_or_none(header_of(hdus, 0), "ZPMAG")
        if not place.is_inside or place.x is None or place.y is None:
            return DifferenceThere(place, None, None, None, None, zero_point)
        column, row = round(place.x), round(place.y)
        reach = max(1, int(np.ceil(radius_px)))
        y0, x0 = max(row - reach, 0), max(column - reach, 0)
        window = (slice(y0, row + reach + 1), slice(x0, column + reach + 1))
        score = _part(hdus, "SCORE", window)
        here = (row - y0, column - x0)
        pixel = (slice(row, row + 1), slice(column, column + 1))
        ys, xs = np.indices(score.shape)
        near = np.hypot(ys + y0 - place.y, xs + x0 - place.x) <= max(radius_px, 0.75)
        within = np.where(near & np.isfinite(score), score, 0.0)
        return DifferenceThere(
            place,
            int(_part(hdus, "MASK", pixel)[0, 0]),
            _finite(score[here]),
            _finite(_part(hdus, "FLUX_ERR", pixel)[0, 0]),
            float(within.flat[int(np.abs(within).argmax())]),
            zero_point,
        )


def frame_there(content: bytes, ra_deg: float, dec_deg: float) -> tuple[Place, int | None]:
    """Return the pixel and mask of a sky position in a file of `frame_to_fits`."""
    with opened(content) as hdus:
        wcs = wcs_from_cards(header_of(hdus, "DATA"))
        place = place_on(wcs, _shape(hdus, "MASK"), ra_deg, dec_deg)
        if not place.is_inside or place.x is None or place.y is None:
            return place, None
        column, row = round(place.x), round(place.y)
        pixel = (slice(row, row + 1), slice(column, column + 1))
        return place, int(_part(hdus, "MASK", pixel)[0, 0])


def difference_cutout(
    content: bytes, x: float, y: float, size: int
) -> tuple[NDArray[np.float32], WCS | None]:
    """Return the difference around a position of its own, and the cutout's WCS.

    Parameters
    ----------
    content
        Bytes of a file of `difference_to_fits`.
    x, y : pixels
        Comes to pixel ``[size // 2, size // 2]``.

    Returns
    -------
    image : (size, size), electrons; NaN outside the frame
    """
    with opened(content) as hdus:
        wcs = wcs_from_cards(header_of(hdus, "DIFFERENCE"))
        ny, nx = _shape(hdus, "DIFFERENCE")
        x0, y0 = round(x) - size // 2, round(y) - size // 2
        rows = slice(max(y0, 0), min(y0 + size, ny))
        columns = slice(max(x0, 0), min(x0 + size, nx))
        image = np.full((size, size), np.nan, dtype=np.float32)
        if rows.start < rows.stop and columns.start < columns.stop:
            part = _part(hdus, "DIFFERENCE", (rows, columns))
            image[
                rows.start - y0 : rows.stop - y0,
                columns.start - x0 : columns.stop - x0,
            ] = part
    if wcs is not None:
        wcs.wcs.crpix -= (x0, y0)
        if wcs.sip is not None:
            wcs.sip.crpix[:] = wcs.wcs.crpix
    return image, wcs


def place_on(wcs: WCS | None, shape: tuple[int, int], ra_deg: float, dec_deg: float) -> Place:
    """Return where a position lies on an image of (ny, nx) pixels."""
    if wcs is None or not wcs.has_celestial:
        return Place(None, None, is_inside=False, scale_arcsec=None)
    scale = float(np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix)))) * 3600
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            xy = wcs.all_world2pix([[ra_deg, dec_deg]], 0, tolerance=1e-4)[0]
    except NoConvergence:
        return Place(None, None, is_inside=False, scale_arcsec=scale)
    x, y = float(xy[0]), float(xy[1])
    if not (np.isfinite(x) and np.isfinite(y)):
        return Place(None, None, is_inside=False, scale_arcsec=scale)
    ny, nx = shape
    inside = 0 <= round(x) < nx and 0 <= round(y) < ny
    return Place(x, y, is_inside=inside, scale_arcsec=scale)


def _part(hdus: fits.HDUList, name: str, window: tuple[slice, slice]) -> NDArray[np.generic]:
    hdu = hdus[name]
    part = np.asarray(hdu.section[window])  # type: ignore[union-attr]  # astropy's list is untyped
    return np.exp(part) if hdu.header.get("LNSCALE") else part  # type: ignore[union-attr]  # astropy's list is untyped


def _shape(hdus: fits.HDUList, name: str) -> tuple[int, int]:
    ny, nx = hdus[name].shape  # type: ignore[union-attr]  # astropy's list is untyped
    return int(ny), int(nx)


def _finite(value: np.generic) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
