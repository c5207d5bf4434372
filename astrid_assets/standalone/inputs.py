"""One frame from whatever the caller has: a path, an array with header, CCDData.

All of it becomes the bytes of a FITS file and goes through the reader of the
surveys, so a file and its array are treated alike. What a survey must have and two
frames need not (date, exposure time, band) is not asked for.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.facts import ImageFacts
from astrid_assets.surveys.fits.reader import (
    max_pixels,
    raw_image_to_frame,
    read_headers,
    read_image,
)
from astrid_assets.surveys.fits.structure import open_fits
from astrid_assets.surveys.fits.unpacking import limit_bytes
from astrid_assets.surveys.profile import Keywords, SurveyProfile
from astrid_assets.surveys.profile_sources import FolderSource
from astrid_assets.surveys.scan import reading_errors
from astrid_assets.surveys.sources.base import FileUnavailable, shown_name
from astrid_assets.surveys.sources.regular_file import open_regular, read_all

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from astrid_assets.science.frame import Frame
    from astrid_assets.surveys.fits.facts import DoorRejection
    from astrid_assets.surveys.profile import Detector

DATE_CARD = "ASTRDATE"
ANY_DATE = "2000-01-01T00:00:00"
"""Stands in for a missing date; the frame's own date is then NaN."""
CARD, BLOCK = 80, 2880
"""Bytes of the units that FITS headers are made of."""
END = b"END".ljust(CARD)
ASSUMED_EXPOSURE_S = 1.0
ODD_CARD = "The following header keyword is invalid"
"""Warning for a card that nothing here reads; some headers hold dozens."""
KEPT_TYPES = frozenset({"uint8", "int16", "uint16", "float32"})
"""Number types whose largest value the reader can judge; other numbers become float32."""
STRUCTURE = re.compile(r"^(BSCALE|BZERO|BLANK|CHECKSUM|DATASUM|Z(IMAGE|CMPTYPE|BITPIX|NAXIS\d*))$")
CARD_VALUES = (str, bool, int, float)


@runtime_checkable
class HasDataAndMeta(Protocol):
    """What `astropy.nddata.CCDData` and the HDUs of `astropy.io.fits` have."""

    @property
    def data(self) -> ArrayLike | None:
        """The pixels, (ny, nx)."""
        ...

    @property
    def header(self) -> Mapping[str, object] | fits.Header:
        """The cards."""
        ...


Header: TypeAlias = Mapping[str, object] | fits.Header | WCS | None
Input: TypeAlias = "str | PathLike[str] | np.ndarray | tuple[ArrayLike, Header] | HasDataAndMeta"


@dataclass(frozen=True)
class ReadFrame:
    """A frame as read, and what was odd or assumed, one sentence each."""

    frame: Frame
    notes: tuple[str, ...]


def read_frame(source: Input, name: str, detector: Detector) -> ReadFrame:
    """Return the frame in a file, an array with header, a CCDData or an HDU.

    Parameters
    ----------
    source
        A path; an array (ny, nx), in ADU; or a pair of it and its header (a FITS
        header, a mapping, a WCS, or None); or an object with `data` and `header`.
    name
        What messages call it, unless it is a file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FrameRejected
        If it holds no usable image; the code is the reader's.
    TypeError
        If `source` is none of these.
    """
    notes: list[str] = []
    path = Path(source) if isinstance(source, str | PathLike) else None
    if path is not None:
        name = shown_name(path.name)
    profile = SurveyProfile.named("standalone", FolderSource(path=Path()))
    profile = profile.model_copy(update={"detector": detector})
    try:
        if path is not None:
            content = _content_of(path, profile)
        else:
            content = _as_fits(*_array_and_header(source, notes))
        return _read(content, name, profile, notes)
    except FrameRejected as error:
        text = f"{name}: {_without_profile(str(error))}"
        raise FrameRejected(error.code, text, **error.measurements) from error


def _content_of(path: Path, profile: SurveyProfile) -> bytes:
    """Return the file's bytes, once its size and its headers promise an image."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a FITS file")
    if not path.exists() and not path.is_symlink():
        raise FileNotFoundError(f"there is no file {path}")
    name = shown_name(path.name)
    largest = limit_bytes(max_pixels(profile))
    try:
        with open_regular(path, name, largest) as file, reading_errors(name):
            found = read_headers(file, path.name, profile)
            codes = {entry.reason.code for entry in found if not isinstance(entry, ImageFacts)}
            # What is missing of these is filled in; nothing else is.
            if not _usable(found) and not codes & {ReasonCode.NO_DATE, ReasonCode.NO_EXPOSURE}:
                raise _first_rejection(found)
            return read_all(file, name, largest)
    except FileUnavailable as error:
        reason = error.reason
        raise FrameRejected(reason.code, reason.message, **reason.measurements) from error


def _read(content: bytes, name: str, profile: SurveyProfile, notes: list[str]) -> ReadFrame:
    facts, content, profile = _facts(content, name, profile, notes)
    raw = read_image(content, facts.hdu, name, profile)
    frame = raw_image_to_frame(raw, name)
    if profile.keywords.date_obs == (DATE_CARD,):
        frame = replace(frame, observed_mjd=float("nan"))
    if facts.kind not in ("light", "unknown"):
        notes.append(f"the header calls this a {facts.kind} frame; it is taken for the sky")
    notes += [_without_profile(note) for note in raw.facts.notes if not note.startswith(ODD_CARD)]
    return ReadFrame(frame, tuple(dict.fromkeys(notes)))


def _facts(
    content: bytes, name: str, profile: SurveyProfile, notes: list[str]
) -> tuple[ImageFacts, bytes, SurveyProfile]:
    """Return the image to use; a date or exposure time that is missing is filled in."""
    found = read_headers(content, name, profile)
    missing = {entry.reason.code for entry in found if not isinstance(entry, ImageFacts)}
    if "no_date" in missing and not _usable(found):
        content = _dated(content, profile)
        profile = _with_keywords(profile, date_obs=(DATE_CARD,), time_obs=())
        found = read_headers(content, name, profile)
        missing = {entry.reason.code for entry in found if not isinstance(entry, ImageFacts)}
    if "no_exposure" in missing and not _usable(found):
        exposure_s = profile.detector.exposure_s or ASSUMED_EXPOSURE_S
        notes.append(f"no exposure time: {exposure_s:g} s assumed; give exposure_s")
        detector = profile.detector.model_copy(update={"exposure_s": exposure_s})
        profile = _with_keywords(profile, exposure_s=()).model_copy(update={"detector": detector})
        found = read_headers(content, name, profile)
    usable = _usable(found)
    if not usable:
        raise _first_rejection(found)
    if len(usable) > 1:
        notes.append(
            f"the file holds {len(usable)} images; that of HDU {usable[0].hdu} is used, "
            "give hdu to take another one"
        )
    return usable[0], content, profile


def _first_rejection(found: list[ImageFacts | DoorRejection]) -> FrameRejected:
    reason = next(entry.reason for entry in found if not isinstance(entry, ImageFacts))
    return FrameRejected(reason.code, reason.message, **reason.measurements)


def _usable(found: list[ImageFacts | DoorRejection]) -> list[ImageFacts]:
    return [entry for entry in found if isinstance(entry, ImageFacts)]


def _with_keywords(profile: SurveyProfile, **changed: tuple[str, ...]) -> SurveyProfile:
    keywords: Keywords = profile.keywords.model_copy(update=changed)
    return profile.model_copy(update={"keywords": keywords})


def _dated(content: bytes, profile: SurveyProfile) -> bytes:
    """Return the file with a date as last card of its first header.

    The bytes behind it are not looked at: what is wrong with them is the reader's.
    """
    plain = open_fits(content, max_pixels(profile)).as_bytes()
    end = next((at for at in range(0, len(plain), CARD) if plain[at : at + CARD] == END), None)
    if end is None:
        return plain
    header = plain[:end] + fits.Card(DATE_CARD, ANY_DATE).image.encode("ascii") + END
    data_from = -(-(end + CARD) // BLOCK) * BLOCK
    return header.ljust(-(-len(header) // BLOCK) * BLOCK) + plain[data_from:]


def _array_and_header(source: object, notes: list[str]) -> tuple[np.ndarray, fits.Header]:
    if isinstance(source, tuple) and len(source) == 2:
        array, cards = source
        return _pixels(array), _header(cards)
    if isinstance(source, np.ndarray):
        return _pixels(source), fits.Header()
    if isinstance(source, HasDataAndMeta):
        return _from_object(source, notes)
    raise TypeError(
        "a frame is a path, an array, a pair (array, header), a CCDData or an HDU, not "
        f"a {type(source).__name__}"
    )


def _from_object(source: HasDataAndMeta, notes: list[str]) -> tuple[np.ndarray, fits.Header]:
    header = _header(source.header)
    wcs = getattr(source, "wcs", None)
    if isinstance(wcs, WCS) and "CTYPE1" not in header:
        header.update(_header(wcs))
    unit = getattr(source, "unit", None)
    if unit is not None and str(unit) == "electron":
        header["BUNIT"] = "electron"
    if getattr(source, "uncertainty", None) is not None:
        notes.append("the uncertainty is not used: the noise is measured on the frame")
    pixels = _pixels(source.data)
    mask = getattr(source, "mask", None)
    if mask is not None and np.ndim(mask) == 2:
        pixels = np.where(np.asarray(mask, dtype=bool), np.float32(np.nan), pixels)
    return pixels, header


def _pixels(values: ArrayLike | None) -> np.ndarray:
    if values is None:
        raise FrameRejected(ReasonCode.NO_IMAGE, "there are no pixels")
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float32), np.nan)
    pixels = np.asarray(values)
    if pixels.dtype.kind not in "buif":
        raise FrameRejected(ReasonCode.UNREADABLE, f"pixels of type {pixels.dtype} are no numbers")
    native = pixels.dtype.newbyteorder("=")
    kept = native if native.name in KEPT_TYPES else np.dtype(np.float32)
    return pixels.astype(kept, copy=False)


def _header(cards: object) -> fits.Header:
    """Return the cards of any kind of header, without those of the file's structure."""
    with warnings.catch_warnings(action="ignore"):
        if isinstance(cards, WCS):
            return cards.to_header(relax=True)
        if isinstance(cards, fits.Header):
            header = cards.copy(strip=True)
        else:
            header = fits.Header()
            for key, value in dict(cards or {}).items():  # type: ignore[call-overload]  # a mapping
                if isinstance(value, CARD_VALUES):
                    header[str(key)] = value
    for key in [key for key in header if STRUCTURE.match(key)]:
        del header[key]
    return header


def _as_fits(pixels: np.ndarray, header: fits.Header) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        fits.PrimaryHDU(pixels, header).writeto(buffer, output_verify="silentfix+ignore")
    return buffer.getvalue()


def _without_profile(text: str) -> str:
    """Return a sentence of the reader with the argument where it names the profile."""
    return text.replace("detector.", "").replace(" in the profile", "")
