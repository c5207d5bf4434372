"""World coordinate systems: moved by a linear map of the pixels, made, measured."""

from __future__ import annotations

import warnings

import numpy as np
from astropy.wcs import WCS, NoConvergence, Sip
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import NDArray

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode

Array = NDArray[np.float64]
OVERLAP_POINTS = 24
"""Points per axis: an overlap is known within a few per cent."""


def moved(wcs: WCS, matrix: Array, shift: Array) -> WCS:
    """Return the WCS of new pixels p, where ``matrix p + shift`` are the old ones.

    Exact with every projection, and with SIP and TPV distortions too: a polynomial
    stays one of the same order under a linear change of its variables.

    Parameters
    ----------
    wcs
        WCS of the old pixels.
    matrix, shift : (2, 2), (2,)
        From new to old zero-based pixels.

    Returns
    -------
    wcs
        WCS of the new pixels.
    """
    inverse = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    # A copy: wcslib keeps some distortions (TPV) where no attribute shows them.
    new = wcs.deepcopy()
    # CRPIX counts from one.
    old = np.asarray(wcs.wcs.crpix) - 1
    new.wcs.crpix = inverse @ (old - shift) + 1
    if wcs.wcs.has_cd():
        new.wcs.cd = wcs.wcs.cd @ matrix
    else:
        # PC overrides the CROTA that a copy may hold.
        new.wcs.pc = wcs.wcs.get_pc() @ matrix
    if wcs.sip is not None and wcs.sip.a is not None and wcs.sip.b is not None:
        new.sip = _moved_sip(wcs.sip, matrix, inverse, new.wcs.crpix)
    new.wcs.set()
    return new


def tangent_plane(
    ra_deg: float, dec_deg: float, scale_arcsec: float, shape: tuple[int, int]
) -> WCS:
    """Make an undistorted WCS with north up, centred on the frame.

    Parameters
    ----------
    ra_deg, dec_deg : degrees
        Position of the middle of the frame.
    scale_arcsec : arcseconds per pixel
        Along both axes.
    shape : (ny, nx)
        Shape of the frame.

    Returns
    -------
    wcs
        TAN projection, east to the left.
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra_deg, dec_deg]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    degrees = scale_arcsec / 3600
    wcs.wcs.cd = np.array([[-degrees, 0], [0, degrees]])
    wcs.wcs.set()
    return wcs


def to_pixels(wcs: WCS, ra_deg: Array, dec_deg: Array) -> Array:
    """Return zero-based pixels of sky positions.

    Parameters
    ----------
    wcs
        WCS with its distortions.
    ra_deg, dec_deg : (n,), degrees
        Sky positions.

    Returns
    -------
    pixels : (n, 2)
        x and y.

    Raises
    ------
    FrameRejected
        `bad_astrometry` when the WCS cannot be inverted there.
    """
    try:
        # Adaptive: each position is iterated until it has converged itself, not until the
        # last of all has, so that its pixel does not depend on which others are asked.
        xy = wcs.all_world2pix(np.column_stack([ra_deg, dec_deg]), 0, tolerance=1e-5, adaptive=True)
    except NoConvergence as error:
        raise FrameRejected(
            ReasonCode.BAD_ASTROMETRY,
            "the header's WCS cannot be inverted near the field's stars: its "
            "distortion terms are broken or the frame lies far away",
        ) from error
    return np.asarray(xy, dtype=np.float64)


def footprint(wcs: WCS, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return centre, radius and area of a frame on the sky.

    Parameters
    ----------
    wcs
        WCS of the frame.
    shape : (ny, nx)
        Shape of the frame.

    Returns
    -------
    ra, dec : degrees
        Position of the middle of the frame.
    radius : degrees
        Distance from there to the farthest corner.
    area : square degrees
        Area of a pixel at the reference position, times the number of pixels.
    """
    ny, nx = shape
    x = np.array([(nx - 1) / 2, 0, nx - 1, 0, nx - 1], dtype=float)
    y = np.array([(ny - 1) / 2, 0, 0, ny - 1, ny - 1], dtype=float)
    ra, dec = (np.radians(a) for a in wcs.all_pix2world(x, y, 0))
    half = np.sin((dec[1:] - dec[0]) / 2) ** 2
    half += np.cos(dec[0]) * np.cos(dec[1:]) * np.sin((ra[1:] - ra[0]) / 2) ** 2
    radius = float(np.degrees(2 * np.arcsin(np.sqrt(half))).max())
    scales = proj_plane_pixel_scales(wcs)
    area = float(scales[0] * scales[1] * nx * ny)
    return float(np.degrees(ra[0]) % 360), float(np.degrees(dec[0])), radius, area


def overlap(wcs: WCS, shape: tuple[int, int], other: WCS, other_shape: tuple[int, int]) -> float:
    """Return the share of the smaller of two frames that the other covers.

    Parameters
    ----------
    wcs
        WCS of the first frame.
    shape : (ny, nx)
        Shape of the first frame.
    other
        WCS of the second frame.
    other_shape : (ny, nx)
        Shape of the second frame.

    Returns
    -------
    share
        0 to 1.
    """
    return max(_inside(wcs, shape, other, other_shape), _inside(other, other_shape, wcs, shape))


def share_covered(
    field: WCS, field_shape: tuple[int, int], wcs: WCS, shape: tuple[int, int]
) -> float:
    """Return the share of a field that a frame covers.

    Parameters
    ----------
    field
        WCS of the field's anchor.
    field_shape : (ny, nx)
        Shape of the field's anchor.
    wcs
        WCS of the frame.
    shape : (ny, nx)
        Shape of the frame.

    Returns
    -------
    share
        0 to 1.
    """
    return _inside(field, field_shape, wcs, shape)


def _inside(wcs: WCS, shape: tuple[int, int], other: WCS, other_shape: tuple[int, int]) -> float:
    """Return the share of a frame inside another one, whose distortion is ignored."""
    span = (np.arange(OVERLAP_POINTS) + 0.5) / OVERLAP_POINTS
    x, y = (g.ravel() for g in np.meshgrid(span * shape[1], span * shape[0]))
    ra, dec = wcs.all_pix2world(x, y, 0)
    with warnings.catch_warnings():
        # Half of the sky lies behind the tangent plane.
        warnings.simplefilter("ignore", RuntimeWarning)
        u, v = other.wcs_world2pix(ra, dec, 0)
    ny, nx = other_shape
    return float(np.mean((u > -0.5) & (u < nx - 0.5) & (v > -0.5) & (v < ny - 0.5)))


def _moved_sip(sip: Sip, matrix: Array, inverse: Array, crpix: Array) -> Sip:
    """Rewrite forward SIP polynomials in the new pixels."""
    order = max(sip.a_order, sip.b_order)
    powers = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    span = np.linspace(-1, 1, 2 * order + 3)
    u, v = (g.ravel() for g in np.meshgrid(span, span))
    # Fitted on a unit square and scaled back, to keep the powers well behaved.
    size = 1000.0
    old = matrix @ np.vstack([u, v]) * size
    shifts = np.vstack([_poly(sip.a, *old), _poly(sip.b, *old)])
    wanted = inverse @ shifts
    design = np.column_stack([u**i * v**j for i, j in powers])
    terms, *_ = np.linalg.lstsq(design, wanted.T, rcond=None)
    a, b = (np.zeros((order + 1, order + 1)) for _ in range(2))
    for (i, j), (first, second) in zip(powers, terms, strict=True):
        a[i, j] = first / size ** (i + j)
        b[i, j] = second / size ** (i + j)
    return Sip(a, b, None, None, crpix)


def _poly(coefficients: Array, u: Array, v: Array) -> Array:
    """Evaluate a SIP polynomial."""
    value = np.polynomial.polynomial.polyval2d(u, v, coefficients)
    return np.asarray(value, dtype=np.float64)
