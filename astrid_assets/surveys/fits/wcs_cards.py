"""The cards of a header's WCS, put right before a library reads them.

wcslib passes over what it does not understand: text where a number belongs counts as 0,
terms without their order as none. Here such cards are mended, with a note, or refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

if TYPE_CHECKING:
    from astrid_assets.surveys.fits.headers import HeaderView

SIP = re.compile(r"^[AB]_\d+_\d+$")
WCS_CARD = re.compile(
    r"^(WCSAXES|NAXIS\d?|(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC)(\d_\d+|\d{6})|"
    r"(PV|PS)\d_\d+|PROJP\d+|WAT\d_\d+|LONG?POLE|LATPOLE|RADE(C?)SYS|EQUINOX|EPOCH|"
    r"[AB]P?_(ORDER|DMAX|\d+_\d+)|"
    # The plate solution of the Digitized Sky Survey.
    r"AMD[XY]\d+|PLT(RA[HMS]|DEC(SN|[DMS])|SCALE)|PPO\d|[XY]PIXELSZ|CNPIX\d|"
    r"(CPDIS|CQDIS|CPERR|CQERR|D2IMDIS|D2IMERR|DP|DQ|D2IM)\d.*|D2IMEXT|AXISCORR)$"
)
NUMBER_CARD = re.compile(
    r"^((CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC|PV)\d_\d+|PROJP\d+|LONG?POLE|LATPOLE|"
    r"[AB]_(ORDER|\d+_\d+))$"
)
NEEDED = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")
OLD_MATRIX = re.compile(r"^(CD|PC)00(\d)00(\d)$")
AXIS_1 = re.compile(r"^(CTYPE1|CRVAL1|CUNIT1|CDELT1|CD1_[12]|PC1_[12])$")
PV = re.compile(r"^PV\d_(\d+)$")
MAX_PLAIN_PV = 4
"""PVi_0 to PVi_4 of a TAN move its reference point; from PVi_5 on they are a distortion."""
EQUINOX = re.compile(r"^\s*[JB]?\s*(\d{4}(\.\d*)?)\s*$")
OF_DATE = re.compile(r"NOW|DATE|APP")
SIP_CARD = re.compile(r"^[AB]P?_(ORDER|DMAX|\d+_\d+)$")
OWN_DISTORTION = ("-TPV", "-TNX", "-ZPX")


class UnusableWcsError(Exception):
    """A header that gives no WCS; its text is the reason."""


def mended_cards(header: HeaderView, notes: list[str]) -> fits.Header:
    """Return the WCS of a header with what is known to confuse WCS readers put right.

    Parameters
    ----------
    header
        The image's header.
    notes
        Is added to: what was changed or passed over.

    Returns
    -------
    cards
        Those of the WCS alone.

    Raises
    ------
    UnusableWcsError
        When the cards promise a WCS that wcslib would read wrongly in silence.
    """
    # A handful of cards parses many times faster than a whole header.
    mended = fits.Header([c for c in header.header.cards if WCS_CARD.match(c.keyword)])
    for keyword in [k for k in mended if OLD_MATRIX.match(k)]:
        new = OLD_MATRIX.sub(r"\1\2_\3", keyword)
        if new not in mended:
            mended.rename_keyword(keyword, new)
    _require_numbers(mended, notes)
    _read_equinox(mended, notes)
    _settle_distortions(mended, notes)
    if str(mended.get("CTYPE1", "")).startswith("DEC-"):
        _put_right_ascension_first(mended)
    return mended


def _require_numbers(header: fits.Header, notes: list[str]) -> None:
    """Refuse what wcslib would pass over in silence: missing numbers, text, NaN."""
    for keyword in NEEDED:
        if keyword not in header:
            raise UnusableWcsError(f"{keyword} is missing")
    for keyword in [k for k in header if NUMBER_CARD.match(k)]:
        value = header[keyword]
        try:
            number = float("nan") if isinstance(value, bool) else float(str(value))
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            shown = repr(value) if isinstance(value, str | bool | float) else "nothing"
            raise UnusableWcsError(
                f"{keyword} = {shown} is no number; degrees and pixels are decimal"
            )
        if isinstance(value, str):
            header[keyword] = number
            notes.append(f"{keyword} = {value!r} is text and was read as {number:g}")


def _number(header: fits.Header, keyword: str, missing: float) -> float:
    """Return a number that `_require_numbers` has seen."""
    return float(str(header.get(keyword, missing)))


def _fold_steps(header: fits.Header) -> None:
    """Write CDELT with PC or CROTA as CD: beside a TPV distortion wcslib loses the steps."""
    if any(keyword.startswith("CD") and "_" in keyword for keyword in header):
        return
    steps = [_number(header, f"CDELT{axis}", 1.0) for axis in (1, 2)]
    if not all(steps):
        raise UnusableWcsError("CDELT is 0")
    latitude = 1 if str(header.get("CTYPE1", "")).startswith("DEC-") else 2
    turn = np.radians(_number(header, f"CROTA{latitude}", 0.0))
    sine = float(np.sin(turn)) * (1 if latitude == 2 else -1)
    matrix = np.array(
        [
            [np.cos(turn), -sine * steps[1] / steps[0]],
            [sine * steps[0] / steps[1], np.cos(turn)],
        ]
    )
    if any(keyword.startswith("PC") for keyword in header):
        matrix = np.eye(2)
    for row in (1, 2):
        for column in (1, 2):
            part = _number(header, f"PC{row}_{column}", float(matrix[row - 1, column - 1]))
            header.remove(f"PC{row}_{column}", ignore_missing=True)
            header[f"CD{row}_{column}"] = steps[row - 1] * part
    for axis in (1, 2):
        header.remove(f"CDELT{axis}", ignore_missing=True)
        header.remove(f"CROTA{axis}", ignore_missing=True)


def _read_equinox(header: fits.Header, notes: list[str]) -> None:
    """Give the equinox as a year, and refuse coordinates of date without a year."""
    system = str(header.get("RADESYS", header.get("RADECSYS", ""))).strip().upper()
    if OF_DATE.search(system):
        raise UnusableWcsError(
            f"RADESYS = {system!r} is a system of date; convert it to ICRS, or give FK5 and its "
            "EQUINOX as a year"
        )
    for keyword in ("EQUINOX", "EPOCH"):
        value = header.get(keyword)
        if not isinstance(value, str):
            continue
        year = EQUINOX.match(value.upper())
        if year:
            header[keyword] = float(year[1])
        elif keyword == "EQUINOX" and value.strip() and system != "ICRS":
            raise UnusableWcsError(
                f"EQUINOX = {value!r} is no year; write the year of the coordinates, such as 2000.0"
            )
        else:
            del header[keyword]
            if value.strip():
                notes.append(f"{keyword} = {value!r} is no equinox and was passed over")
    given = header.get("EQUINOX")
    if system == "ICRS" and isinstance(given, int | float) and abs(given - 2000) > 0.01:
        notes.append(f"RADESYS = 'ICRS' has no equinox: EQUINOX = {given:g} was not applied")


def _settle_distortions(header: fits.Header, notes: list[str]) -> None:
    """Decide between SIP and PV where a header holds both."""
    kinds = [str(header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)]
    bends = [k for k in header if (m := PV.match(k)) and int(m[1]) > MAX_PLAIN_PV]
    if not _has_sip(header, notes):
        if kinds[0].endswith("-TPV") or (kinds[0].endswith("-TAN") and bends):
            for keyword in ("PV1_1", "PV2_1"):
                # The convention's value, where wcslib would take 0.
                header.setdefault(keyword, 1.0)
            _fold_steps(header)
        return
    if any(kind.endswith(OWN_DISTORTION) for kind in kinds):
        for keyword in [k for k in header if SIP_CARD.match(k)]:
            del header[keyword]
        notes.append(f"CTYPE1 = {kinds[0]!r} has its own distortion: SIP terms were not applied")
        _settle_distortions(header, notes)
        return
    for axis, kind in zip(("CTYPE1", "CTYPE2"), kinds, strict=True):
        if kind.endswith("-TAN"):
            # Without the suffix readers disagree on whether the terms apply.
            header[axis] = f"{kind}-SIP"
            notes.append(f"{axis} = {kind!r} has SIP terms without the suffix -SIP")
    if bends:
        for keyword in [k for k in header if PV.match(k)]:
            del header[keyword]
        notes.append(f"it has SIP and PV distortions: SIP was applied, {bends[0]} was not")


def _has_sip(header: fits.Header, notes: list[str]) -> bool:
    """Return whether there are SIP terms, and refuse those without their order."""
    terms = [k for k in header if SIP.match(k)]
    for name in ("A", "B"):
        own = [k for k in terms if k.startswith(name)]
        if own and f"{name}_ORDER" not in header:
            raise UnusableWcsError(f"it has SIP terms ({own[0]}) without {name}_ORDER")
        order = round(_number(header, f"{name}_ORDER", 0))
        above = [k for k in own if sum(int(n) for n in k.split("_")[1:]) > order and header[k]]
        if above:
            notes.append(f"{above[0]} lies above {name}_ORDER = {order} and was not applied")
    return bool(terms)


def _put_right_ascension_first(header: fits.Header) -> None:
    """Exchange the two sky axes; pixels, and distortions in pixels, stay."""
    words = next((k for k in header if k.startswith("WAT")), None)
    if words is not None:
        raise UnusableWcsError(f"declination comes first, and {words} cannot be exchanged")
    for first in sorted({re.sub(r"^PV\d", "PV1", k) for k in header if PV.match(k)}):
        second = first.replace("PV1", "PV2", 1)
        values = header.pop(first, None), header.pop(second, None)
        for keyword, value in zip((second, first), values, strict=True):
            if value is not None:
                header[keyword] = value
    _fold_steps(header)
    for row in (1, 2):
        for column in (1, 2):
            header.setdefault(f"CD{row}_{column}", 0.0)
    for first in [k for k in header if AXIS_1.match(k)]:
        second = first.replace("1", "2", 1)
        if second in header:
            header[first], header[second] = header[second], header[first]
