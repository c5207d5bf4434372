"""The celestial WCS of a header, believed only after it was tried.

A WCS that cannot be built, is not equatorial or does not find its way back from
the sky is no WCS: the frame goes on without one, and a note says why.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning, NoConvergence
from astropy.wcs.utils import proj_plane_pixel_scales

from astrid_assets.science.astrometry.distortion import (
    fk5_to_icrs,
    has_tables,
    icrs_wcs,
    plain_wcs,
)
from astrid_assets.surveys.fits.pixels import DECODER_ERRORS, short
from astrid_assets.surveys.fits.structure import EMPTY_PRIMARY
from astrid_assets.surveys.fits.wcs_cards import UnusableWcsError, mended_cards

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.surveys.fits.headers import HeaderView

LOOKUP = re.compile(r"^(CPDIS|CQDIS|D2IMDIS|DP|DQ|D2IM)\d")
TRACE = re.compile(r"ERROR \d+ in \w+\(\) at line \d+ of file [^\s:]+:")
"""How wcslib begins each line of what went wrong, the outermost call first."""
MIN_EQUINOX, MAX_EQUINOX = 1984.0, 2100.0
"""Equinoxes of FK5; earlier ones are of FK4, others are no years."""
MIN_SCALE_ARCSEC, MAX_SCALE_ARCSEC = 1e-3, 300.0
MAX_RETURN_PX = 0.1
"""Pixel to sky and back: SIP is inverted by iteration, wcslib exactly."""
LATTICE = 9
"""Points per axis at which two forms of a WCS are compared."""
MAX_CHANGE_PX = 1e-3
"""A WCS written in another form must keep its positions this well, or a note says how well."""


def survey_wcs(
    header: HeaderView, shape: tuple[int, int], notes: list[str], tables: bytes
) -> WCS | None:
    """Return the WCS for zero-based pixels of a ``(ny, nx)`` image, or None.

    Parameters
    ----------
    tables
        A file of the HDUs that hold lookup-table distortions; see
        `FitsFile.lookup_tables`.
    """
    kinds = [header.text(f"CTYPE{axis}") or "" for axis in (1, 2)]
    if not any("-" in kind for kind in kinds):
        # PIXEL, LINEAR and the like promise no sky.
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            wcs = _build(mended_cards(header, notes), tables)
            problem = _problem(wcs, shape)
            if problem is None:
                wcs = _in_icrs(wcs, shape, notes)
                _note_tables(wcs, shape, notes)
        except UnusableWcsError as error:
            wcs, problem = None, str(error)
        except (*DECODER_ERRORS, NoConvergence) as error:
            wcs, problem = None, f"it cannot be used ({plain_sentence(str(error))})"
    notes.extend(
        plain_sentence(str(warning.message))
        for warning in caught
        # These only say that a spelling was odd, and was understood.
        if not issubclass(warning.category, FITSFixedWarning | fits.verify.VerifyWarning)
    )
    if problem is not None:
        notes.append(f"bad_wcs: {problem}; the frame counts as one without a WCS")
        return None
    return wcs


def plain_sentence(message: str) -> str:
    """Return what a library reports as one sentence, without the lines of its code.

    The last part of a trace of wcslib counts: the innermost call knows the cause.
    """
    parts = [short(part).rstrip(".") for part in TRACE.split(message)]
    return next((part for part in reversed(parts) if part), "for an unknown reason")


def _build(header: fits.Header, tables: bytes) -> WCS:
    if not any(LOOKUP.match(keyword) for keyword in header):
        wcs = WCS(header)
    else:
        with fits.open(io.BytesIO(tables or EMPTY_PRIMARY), memmap=False) as file:
            wcs = WCS(header, fobj=file)
    if wcs.naxis != 2 and wcs.has_celestial:
        wcs = wcs.celestial
    if wcs.has_celestial and wcs.naxis == 2 and wcs.wcs.lng == 0:
        ra, dec = wcs.wcs.crval
        if not abs(dec) <= 90:
            raise UnusableWcsError(f"its declination CRVAL2 = {dec:g} is beyond a pole")
        if not 0 <= ra < 360:
            # wcslib answers in the turn that CRVAL is given in; -1e-17 % 360 is 360.
            wcs.wcs.crval = [ra % 360 % 360, dec]
            wcs.wcs.set()
    return wcs


def _in_icrs(wcs: WCS, shape: tuple[int, int], notes: list[str]) -> WCS:
    """Precess positions of another equinox of FK5 than J2000."""
    year = wcs.wcs.equinox
    if wcs.wcs.radesys.strip().upper() != "FK5" or not np.isfinite(year) or year == 2000:
        return wcs
    new = icrs_wcs(wcs, shape)
    points = _lattice(shape)
    wanted = fk5_to_icrs(year)(np.asarray(wcs.all_pix2world(points, 0)))
    change = _miss(new, points, wanted)
    if not change < MAX_CHANGE_PX:
        raise UnusableWcsError(
            f"its equinox is {year:g}, and precessed it would be off by {change:.2g} pixels; "
            "convert it to ICRS"
        )
    notes.append(f"the WCS has the equinox {year:g} and was precessed to ICRS")
    return new


def _note_tables(wcs: WCS, shape: tuple[int, int], notes: list[str]) -> None:
    """Say how well the polynomials that stand for lookup tables keep the positions."""
    if not has_tables(wcs):
        return
    points = _lattice(shape)
    change = _miss(plain_wcs(wcs, shape), points, np.asarray(wcs.all_pix2world(points, 0)))
    if not change < 1:
        raise UnusableWcsError(
            f"its lookup tables cannot be written as SIP terms: {change:.2g} pixels are left"
        )
    if change > MAX_CHANGE_PX:
        notes.append(f"SIP terms stand for its lookup tables, within {change:.2g} pixels")


def _lattice(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return (n, 2) positions from corner to corner."""
    ny, nx = shape
    x, y = np.meshgrid(np.linspace(0, nx - 1, LATTICE), np.linspace(0, ny - 1, LATTICE))
    return np.column_stack([x.ravel(), y.ravel()])


def _miss(wcs: WCS, points: NDArray[np.float64], sky: NDArray[np.float64]) -> float:
    """Return how far, in pixels, the pixels of sky positions are from their points."""
    back = np.asarray(wcs.all_world2pix(sky, 0, maxiter=50, tolerance=1e-5))
    return float(np.max(np.hypot(*(back - points).T)))


def _problem(wcs: WCS, shape: tuple[int, int]) -> str | None:
    """Return what is wrong with a WCS, or None."""
    if not wcs.has_celestial or wcs.naxis != 2 or wcs.wcs.lng != 0:
        return "its axes are not right ascension and declination"
    if not wcs.wcs.ctype[wcs.wcs.lng].startswith("RA"):
        return f"its axes are {list(wcs.wcs.ctype)}, not equatorial"
    if wcs.wcs.radesys.strip().upper().startswith("FK4"):
        return f"its equinox is {wcs.wcs.equinox:g} in FK4 (B1950); convert it to ICRS or FK5 J2000"
    if wcs.wcs.radesys.strip().upper() == "FK5" and not (
        MIN_EQUINOX <= wcs.wcs.equinox <= MAX_EQUINOX
    ):
        return f"its equinox {wcs.wcs.equinox:g} is no year of FK5"
    scales = proj_plane_pixel_scales(wcs) * 3600
    if not np.all((scales > MIN_SCALE_ARCSEC) & (scales < MAX_SCALE_ARCSEC)):
        return f"its pixels would be {scales[0]:.3g} x {scales[1]:.3g} arcsec"
    return _return_problem(wcs, shape)


def _return_problem(wcs: WCS, shape: tuple[int, int]) -> str | None:
    """Go from the corners and the middle to the sky and back."""
    ny, nx = shape
    x = np.array([0, nx - 1, 0, nx - 1, (nx - 1) / 2])
    y = np.array([0, 0, ny - 1, ny - 1, (ny - 1) / 2])
    ra, dec = wcs.all_pix2world(x, y, 0)
    if not np.all(np.isfinite(ra) & np.isfinite(dec)):
        return "part of the frame lies outside the sky"
    back_x, back_y = wcs.all_world2pix(ra, dec, 0, maxiter=50, tolerance=1e-4)
    worst = float(np.max(np.hypot(back_x - x, back_y - y)))
    if not worst < MAX_RETURN_PX:
        return f"pixel to sky and back misses by {worst:.2g} pixels"
    return None
