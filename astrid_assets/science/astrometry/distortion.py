"""Distortion as WCS: any map of the pixels to the sky as a plain TAN with SIP terms.

The focal plane of a WCS is the plane on which its linear part acts: pixels with SIP and
table distortions applied. A pointing error shifts stars there, while the distortion stays
with the detector. `mapped_wcs` combines a base WCS and a map into one WCS that every
reader understands and that passes through FITS headers unchanged.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.wcs import WCS, FITSFixedWarning, Sip

from astrid_assets.science.astrometry.pixel_maps import PixelMap
from astrid_assets.science.astrometry.wcs_tools import moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAX_ORDER = 6
"""Highest order of SIP: fitting lookup tables or TPV takes more terms than stars support."""

TOLERANCE_PX = 1e-4
GRID = 14
"""Points per axis at which a distortion is fitted."""

OUTSIDE = 0.02
"""The grid reaches beyond the frame by this share of it: polynomials diverge at the edges."""


def focal_plane(wcs: WCS, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pixels with the WCS's distortions applied.

    Parameters
    ----------
    wcs
        WCS for zero-based pixels.
    pixels : (n, 2)
        x and y, zero-based.

    Returns
    -------
    plane : (n, 2), pixels
        The pixels themselves for an undistorted WCS.
    """
    if not is_distorted(wcs):
        return pixels
    return np.asarray(wcs.pix2foc(pixels, 0), dtype=np.float64)


def sky_to_plane(
    wcs: WCS, ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the positions of sky coordinates on the focal plane.

    Parameters
    ----------
    wcs
        WCS of which the linear part and the projection are used.
    ra_deg, dec_deg : (n,), degrees
        Sky coordinates in the system of the WCS.

    Returns
    -------
    plane : (n, 2), pixels
        x and y, zero-based; NaN where the projection does not reach.
    """
    sky = np.column_stack([ra_deg, dec_deg])
    with warnings.catch_warnings():
        # Half of the sky lies behind the tangent plane.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(wcs.wcs_world2pix(sky, 0), dtype=np.float64)


def is_distorted(wcs: WCS) -> bool:
    """Return whether pixels differ from the focal plane: SIP or lookup tables.

    TPV bends the sky side of the focal plane, and so belongs to the projection.

    Parameters
    ----------
    wcs
        As read from a header.

    Returns
    -------
    is_distorted
        True if any distortion is present.
    """
    return wcs.sip is not None or has_tables(wcs)


def has_tables(wcs: WCS) -> bool:
    """Return whether a WCS has lookup-table distortions.

    Parameters
    ----------
    wcs
        As read from a header.

    Returns
    -------
    has_tables
        True if any table is present.
    """
    tables = (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2)
    return any(table is not None for table in tables)


def without_distortion(wcs: WCS) -> WCS:
    """Return a WCS whose pixels are those of its focal plane.

    Parameters
    ----------
    wcs
        With SIP terms or lookup tables.

    Returns
    -------
    wcs
        The same projection and linear part.
    """
    new = wcs.deepcopy()
    new.sip = new.cpdis1 = new.cpdis2 = new.det2im1 = new.det2im2 = None
    new.wcs.ctype = [kind.removesuffix("-SIP") for kind in wcs.wcs.ctype]
    new.wcs.set()
    return new


def mapped_wcs(base: WCS, found: PixelMap) -> WCS:
    """Return the WCS of a frame from a base WCS and a map between their focal planes.

    Exact for plain projections and linear maps; else a TAN-SIP about the middle of
    the frame that agrees with the exact answer within 1e-4 px where SIP can represent it.

    Parameters
    ----------
    base
        WCS of the plane that the map leads to.
    found
        Map from the frame's focal plane to the base's.

    Returns
    -------
    wcs
        WCS for the frame's zero-based pixels.

    References
    ----------
    Shupe et al. 2005, ASP Conf. 347, 491: SIP.
    """
    if found.terms is None and not is_distorted(base):
        return moved(base, found.matrix, found.shift)
    return _refitted(base, found)


def plain_wcs(wcs: WCS, shape: tuple[int, int]) -> WCS:
    """Return a WCS that headers can represent: lookup tables become SIP terms.

    Parameters
    ----------
    wcs
        As read from a header.
    shape : (ny, nx)
        The frame on which the result must agree with `wcs`.

    Returns
    -------
    wcs
        The given WCS if it has no lookup tables, else a TAN-SIP.
    """
    if not has_tables(wcs):
        return wcs
    return _refitted(wcs, PixelMap(np.eye(2), np.zeros(2), shape))


def icrs_wcs(wcs: WCS, shape: tuple[int, int]) -> WCS:
    """Return a WCS of FK5 positions of any equinox as one in ICRS.

    Parameters
    ----------
    wcs
        In FK5, with its equinox.
    shape : (ny, nx)
        The frame on which the positions must agree.

    Returns
    -------
    wcs
        A TAN-SIP in ICRS.
    """
    return _refitted(wcs, PixelMap(np.eye(2), np.zeros(2), shape), fk5_to_icrs(wcs.wcs.equinox))


def fk5_to_icrs(
    equinox_year: float,
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the precession from FK5 positions of an equinox to ICRS.

    Parameters
    ----------
    equinox_year
        Julian year.

    Returns
    -------
    precession
        From (n, 2) to (n, 2), RA and Dec in degrees.
    """
    from astropy.coordinates import FK5, SkyCoord
    from astropy.time import Time

    frame = FK5(equinox=Time(equinox_year, format="jyear"))

    def precession(sky: NDArray[np.float64]) -> NDArray[np.float64]:
        # astropy's types do not know its coordinates.
        there: Any = SkyCoord(sky[:, 0], sky[:, 1], unit="deg", frame=frame)
        return np.column_stack([there.icrs.ra.deg, there.icrs.dec.deg])

    return precession


def _refitted(
    base: WCS,
    found: PixelMap,
    precession: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
) -> WCS:
    """Fit a TAN-SIP, in ICRS if it is precessed, to a base and a map on a grid of points."""
    ny, nx = found.shape
    middle = np.array([(nx - 1) / 2, (ny - 1) / 2])
    reach = (0.5 + OUTSIDE) * np.array([nx, ny])
    span = np.cos(np.pi * (np.arange(GRID) + 0.5) / GRID)
    u, v = (g.ravel() for g in np.meshgrid(span, span))
    pixels = np.column_stack([u, v]) * reach + middle
    points = np.vstack([middle, pixels])
    sky = np.asarray(base.wcs_pix2world(found(points, focal_plane(base, points)), 0))
    system = base
    if precession is not None:
        sky, system = precession(sky), WCS(naxis=2)
        system.wcs.radesys = "ICRS"
    plane = _tangent(system, sky[0], None).wcs_world2pix(sky[1:], 0)
    half = float(reach.max())
    scaled = (pixels - middle) / half
    powers: list[tuple[int, int]] = []
    terms, cd = np.zeros((2, 2)), np.eye(2)
    for order in range(1, MAX_ORDER + 1):
        powers = [(n - j, j) for n in range(1, order + 1) for j in range(n + 1)]
        design = np.column_stack([scaled[:, 0] ** i * scaled[:, 1] ** j for i, j in powers])
        terms, *_ = np.linalg.lstsq(design, plane, rcond=None)
        # Powers (1, 0) and (0, 1) come first: degrees per pixel.
        cd = np.asarray(terms[:2].T / half, dtype=np.float64)
        error = np.linalg.solve(cd, (plane - design @ terms).T)
        if np.abs(error).max() < TOLERANCE_PX:
            break
    new = _tangent(system, sky[0], cd)
    new.wcs.crpix = middle + 1
    if len(terms) > 2:
        bends = np.asarray(np.linalg.solve(cd, terms.T), dtype=np.float64)
        _set_sip(new, bends, powers, half)
    new.wcs.set()
    return new


def _tangent(base: WCS, centre: NDArray[np.float64], cd: NDArray[np.float64] | None) -> WCS:
    """Return a TAN projection about a position; if `cd` is None, its plane is in degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = centre
    wcs.wcs.crpix = [1.0, 1.0]
    wcs.wcs.cd = np.eye(2) if cd is None else cd
    wcs.wcs.radesys = base.wcs.radesys
    if np.isfinite(base.wcs.equinox):
        wcs.wcs.equinox = base.wcs.equinox
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs.wcs.set()
    return wcs


def _set_sip(
    wcs: WCS, terms: NDArray[np.float64], powers: list[tuple[int, int]], half: float
) -> None:
    """Give a TAN its SIP terms: those of order 2 and up, (2, k) on the unit frame."""
    order = max(i + j for i, j in powers)
    a, b = (np.zeros((order + 1, order + 1)) for _ in range(2))
    for (i, j), first, second in zip(powers, *terms, strict=True):
        if i + j > 1:
            a[i, j] = first / half ** (i + j)
            b[i, j] = second / half ** (i + j)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
