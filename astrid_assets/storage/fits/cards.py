"""Header cards: numbers in full, any text, and the WCS with its distortion.

astropy writes a WCS with twelve digits; here the numbers are set again in full, so
that a frame read back sits where it sat.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import numpy as np
from astropy.wcs import WCS, FITSFixedWarning

if TYPE_CHECKING:
    from astropy.io import fits
    from numpy.typing import NDArray

SAFE_TEXT = "!#$&()*+,-./:;<=>?@[]^_{|}~"
# Not %, which escapes; not quotes and spaces, which FITS treats specially.
OURS = "ASTRID"
FORMAT_VERSION = 1


def header_of(hdus: fits.HDUList, name: str | int) -> fits.Header:
    """Return the header of an extension."""
    return hdus[name].header  # type: ignore[union-attr]  # astropy's list is untyped


def data_of(hdus: fits.HDUList, name: str | int) -> NDArray[np.generic]:
    """Return the array of an extension."""
    return hdus[name].data  # type: ignore[union-attr]  # astropy's list is untyped


def table_in(hdus: fits.HDUList, name: str) -> fits.FITS_rec:
    """Return the table of an extension."""
    return hdus[name].data  # type: ignore[union-attr]  # astropy's list is untyped


def text_card(text: str) -> str:
    """Return any text as what a FITS header can hold."""
    return quote(text, safe=SAFE_TEXT, errors="surrogatepass")


def text_from(card: object) -> str:
    """Return the text that `text_card` wrote."""
    return unquote(str(card), errors="surrogatepass")


def set_number(header: fits.Header, key: str, value: float | None, comment: str) -> None:
    """Write a number, unless there is none (None, NaN, infinite)."""
    if value is not None and np.isfinite(value):
        number = int(value) if isinstance(value, int | np.integer) else float(value)
        header[key] = (number, comment)


def integer(header: fits.Header, key: str) -> int:
    """Return a whole number that must be there."""
    return int(str(header[key]))


def number_or_none(header: fits.Header, key: str) -> float | None:
    """Return a number, None when it was not written."""
    return float(str(header[key])) if key in header else None


def write_wcs(header: fits.Header, wcs: WCS) -> None:
    """Write a celestial WCS, with SIP distortion where it has one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        cards = wcs.to_header(relax=True)
    for name in ("DATE-OBS", "MJD-OBS"):
        cards.remove(name, ignore_missing=True)
    header.update(cards)
    numbers = wcs.wcs
    scale = numbers.get_pc()
    step = numbers.get_cdelt()
    for i in range(2):
        header[f"CRPIX{i + 1}"] = float(numbers.crpix[i])
        header[f"CRVAL{i + 1}"] = float(numbers.crval[i])
        header[f"CDELT{i + 1}"] = float(step[i])
        for j in range(2):
            header[f"PC{i + 1}_{j + 1}"] = float(scale[i, j])
    if wcs.sip is not None:
        for prefix in ("a", "b", "ap", "bp"):
            _write_sip(header, prefix.upper(), getattr(wcs.sip, prefix))


def wcs_from_cards(header: fits.Header) -> WCS | None:
    """Return the WCS of a header, None when it has none."""
    if "CTYPE1" not in header:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header, naxis=2)


def _write_sip(header: fits.Header, prefix: str, terms: NDArray[np.float64] | None) -> None:
    if terms is None:
        return
    for p, q in zip(*np.nonzero(terms), strict=True):
        header[f"{prefix}_{p}_{q}"] = float(terms[p, q])
