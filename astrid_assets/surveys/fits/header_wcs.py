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

from astrid_assets.surveys.fits.pixels import DECODER_ERRORS, short
from astrid_assets.surveys.fits.structure import EMPTY_PRIMARY

if TYPE_CHECKING:
    from astrid_assets.surveys.fits.headers import HeaderView

LOOKUP = re.compile(r"^(CPDIS|CQDIS|D2IMDIS|DP|DQ|D2IM)\d")
SIP = re.compile(r"^[AB]_\d+_\d+$")
WCS_CARD = re.compile(
    r"^(WCSAXES|NAXIS\d?|(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC|PV|PS)\d_\d+|"
    r"LONPOLE|LATPOLE|RADE(C?)SYS|EQUINOX|EPOCH|[AB]P?_(ORDER|DMAX|\d+_\d+)|"
    r"(CPDIS|CQDIS|CPERR|CQERR|D2IMDIS|D2IMERR|DP|DQ|D2IM)\d.*|D2IMEXT|AXISCORR)$"
)
AXIS_1 = re.compile(r"^(CTYPE1|CRVAL1|CUNIT1|CDELT1|CD1_[12]|PC1_[12])$")
TRACE = re.compile(r"ERROR \d+ in \w+\(\) at line \d+ of file [^\s:]+:")
"""How wcslib begins each line of what went wrong, the outermost call first."""
MIN_SCALE_ARCSEC, MAX_SCALE_ARCSEC = 1e-3, 300.0
MAX_RETURN_PX = 0.1
"""Pixel to sky and back: SIP is inverted by iteration, wcslib exactly."""


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
            wcs = _build(_mended(header, notes), tables)
            problem = _problem(wcs, shape)
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


def _mended(header: HeaderView, notes: list[str]) -> fits.Header:
    """Return the header with what is known to confuse WCS readers put right."""
    # A handful of cards parses many times faster than a whole header.
    mended = fits.Header([c for c in header.header.cards if WCS_CARD.match(c.keyword)])
    has_sip = header.number("A_ORDER") is not None and any(SIP.match(keyword) for keyword in mended)
    for axis in ("CTYPE1", "CTYPE2"):
        kind = header.text(axis) or ""
        if has_sip and kind.endswith("-TAN"):
            # Without the suffix readers disagree on whether the terms apply.
            mended[axis] = f"{kind}-SIP"
            notes.append(f"{axis} = {kind!r} has SIP terms without the suffix -SIP")
    if (header.text("CTYPE1") or "").startswith("DEC-"):
        _put_right_ascension_first(mended)
    return mended


def _put_right_ascension_first(header: fits.Header) -> None:
    """Exchange the two sky axes; pixels, and distortions in pixels, stay."""
    for matrix, is_needed in (("CD", "CD1_1" in header), ("PC", "CD1_1" not in header)):
        for row in (1, 2) if is_needed else ():
            for column in (1, 2):
                identity = float(matrix == "PC" and row == column)
                header.setdefault(f"{matrix}{row}_{column}", identity)
    for first in [k for k in header if AXIS_1.match(k)]:
        second = first.replace("1", "2", 1)
        if second in header:
            header[first], header[second] = header[second], header[first]


def _build(header: fits.Header, tables: bytes) -> WCS:
    if not any(LOOKUP.match(keyword) for keyword in header):
        wcs = WCS(header)
    else:
        with fits.open(io.BytesIO(tables or EMPTY_PRIMARY), memmap=False) as file:
            wcs = WCS(header, fobj=file)
    return wcs if wcs.naxis == 2 or not wcs.has_celestial else wcs.celestial


def _problem(wcs: WCS, shape: tuple[int, int]) -> str | None:
    """Return what is wrong with a WCS, or None."""
    if not wcs.has_celestial or wcs.naxis != 2 or wcs.wcs.lng != 0:
        return "its axes are not right ascension and declination"
    if not wcs.wcs.ctype[wcs.wcs.lng].startswith("RA"):
        return f"its axes are {list(wcs.wcs.ctype)}, not equatorial"
    if wcs.wcs.radesys.strip().upper().startswith("FK4"):
        return "its equinox is B1950 (FK4); convert it to ICRS or FK5 J2000"
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
