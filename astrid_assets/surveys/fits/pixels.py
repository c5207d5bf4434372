"""Pixels of one HDU, decoded: float32 in ADU, NaN where the file has no value.

Plain images are decoded here; tile-compressed ones by astropy, one HDU at a time.
Values are scaled (BZERO, BSCALE), blank pixels become NaN, and what no detector
can deliver (infinite, or beyond 1e20) becomes NaN with a note.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

# Its own exception has no public name.
from astropy.io.fits.hdu.compressed._compression import (  # pyright: ignore[reportMissingImports]
    CfitsioException,
)

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.structure import EMPTY_PRIMARY
from astrid_assets.surveys.fits.tiles import tiles_must_be_sane

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.surveys.fits.hdu import Hdu
    from astrid_assets.surveys.fits.headers import HeaderView

SENTINEL = 1e20
"""Larger values are marks of programs, not counts; float32 sums would overflow."""

DECODER_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    AssertionError,
    EOFError,
    NameError,
    struct.error,
    zlib.error,
    fits.VerifyError,
    CfitsioException,
)
"""What astropy raises on damaged tables and tiles: it promises no class of its own,
so everything that bytes can cause is listed; interrupts and exits are not."""

BAND_PIXELS = 1 << 20
"""Pixels of a compressed image that are decoded at a time, at least one row."""


def read_pixels(hdu: Hdu, header: HeaderView, notes: list[str], max_pixels: float) -> Image:
    """Decode the 2-D image of an HDU whose size was checked before.

    The image is decoded in bands: beside it only the band at hand is in memory, and no
    image is made as long as all its pixels are equal.

    Parameters
    ----------
    hdu
        With its data.
    notes
        Odd things that were survivable are appended.
    max_pixels
        Tiles that unpack to more are refused.

    Returns
    -------
    data : (ny, nx), ADU, NaN where blank

    Raises
    ------
    FrameRejected
        ``unreadable`` if the tiles of a compressed image are damaged; ``all_nan`` and
        ``constant`` if there is nothing in it.
    """
    _note_checksum(hdu, header, notes)
    bands = _compressed(hdu, notes, max_pixels) if hdu.is_compressed else _plain(hdu)
    with closing(bands):
        return _gathered(bands, hdu, header, notes)


def must_hold_something(lowest: float, highest: float) -> None:
    """Raise `FrameRejected` where no pixel has a value, or all have the same.

    Parameters
    ----------
    lowest, highest : ADU
        Range of the pixels that have a value; infinite, the wrong way round, without any.
    """
    if lowest > highest:
        raise FrameRejected(ReasonCode.ALL_NAN, "no pixel has a value: all are blank or NaN")
    if lowest == highest:
        raise FrameRejected(
            ReasonCode.CONSTANT,
            f"all pixels have the same value, {lowest:g}: the readout or the "
            "program that wrote the file failed",
            value=lowest,
        )


def _gathered(
    bands: Iterable[NDArray[np.generic]], hdu: Hdu, header: HeaderView, notes: list[str]
) -> Image:
    """Put scaled bands together, in the order of the pixels."""
    size = math.prod(hdu.shape)
    data: Image | None = None
    first = np.float32(np.nan)
    filled = impossible = 0
    lowest, highest = math.inf, -math.inf
    scale = _factor(header, "BSCALE", 1.0, notes)
    zero = _factor(header, "BZERO", 0.0, notes)
    blank: int | None = None
    for number, raw in enumerate(bands):
        if number == 0 and raw.dtype.kind in "iu":
            blank = _blank(raw, header, notes)
        band = _scaled(raw, scale, zero, blank)
        impossible += _blank_impossible(band)
        if number == 0:
            first = band[0]
        low, high = np.fmin.reduce(band), np.fmax.reduce(band)
        if np.isfinite(low):
            lowest, highest = min(lowest, float(low)), max(highest, float(high))
        if data is None and not _all_are(band, first):
            data = np.full(size, first, np.float32)
        if data is not None:
            data[filled : filled + len(band)] = band
        filled += len(band)
    if impossible:
        notes.append(f"{impossible} pixels are infinite or beyond 1e20 and count as blank")
    must_hold_something(lowest, highest)
    if data is None or filled != size:
        raise AssertionError("an image of different pixels was put together, all of them")
    return data.reshape(hdu.shape[-2:])


def _all_are(band: Image, value: np.float32) -> bool:
    # By their bits: NaN is NaN, and -0 is not 0.
    return bool((band.view(np.uint32) == value.view(np.uint32)).all())


def _plain(hdu: Hdu) -> Generator[NDArray[np.generic]]:
    kind = f">{'i' if hdu.bitpix > 0 else 'f'}{abs(hdu.bitpix) // 8}"
    dtype = np.dtype("u1" if hdu.bitpix == 8 else kind)
    left = math.prod(hdu.shape)
    for piece in hdu.data or ():
        count = min(left, len(piece) // dtype.itemsize)
        if count:
            yield np.frombuffer(piece, dtype, count)
        left -= count


def _note_checksum(hdu: Hdu, header: HeaderView, notes: list[str]) -> None:
    """Note a DATASUM that does not fit; many programs forget to renew it."""
    stated = header.own_number("DATASUM")
    if not stated:
        return
    total = 0
    for piece in hdu.data or ():
        whole = piece if len(piece) % 4 == 0 else bytes(piece) + bytes(-len(piece) % 4)
        total += int(np.frombuffer(whole, ">u4").sum(dtype=np.uint64))
    while total >> 32:  # ones' complement: carries come back in at the right
        total = (total & 0xFFFFFFFF) + (total >> 32)
    if total != int(stated):
        notes.append("DATASUM does not fit: the pixels changed after it was written")


def _scaled(raw: NDArray[np.generic], scale: float, zero: float, blank: int | None) -> Image:
    # Integers up to 16 bits are exact in float32; wider ones are scaled in float64.
    wide = raw.dtype.itemsize > 2
    with np.errstate(over="ignore", invalid="ignore"):
        data = raw.astype(np.float64 if wide else np.float32)
        if scale != 1.0:
            data *= scale
        if zero != 0.0:
            data += zero
        data = data.astype(np.float32, copy=False)
    if blank is not None:
        data[raw == blank] = np.nan
    return data


def _factor(header: HeaderView, keyword: str, default: float, notes: list[str]) -> float:
    value = header.own_number(keyword)
    if value is None:
        return default
    if not math.isfinite(value) or (keyword == "BSCALE" and value == 0):
        notes.append(f"{keyword} = {value} makes no sense and is ignored")
        return default
    return value


def _blank(raw: NDArray[np.generic], header: HeaderView, notes: list[str]) -> int | None:
    for keyword in ("BLANK", "ZBLANK"):
        value = header.own_number(keyword)
        if value is None:
            continue
        bits = raw.dtype.itemsize * 8
        lowest = 0 if raw.dtype.kind == "u" else -(2 ** (bits - 1))
        if value != int(value) or not lowest <= value < lowest + 2**bits:
            notes.append(f"{keyword} = {value:g} cannot occur in {bits}-bit pixels and is ignored")
            continue
        return int(value)
    return None


def _blank_impossible(band: Image) -> int:
    """Blank what no detector delivers, in the band itself; returns how many pixels."""
    with np.errstate(invalid="ignore"):
        impossible = np.abs(band) > SENTINEL
    count = int(impossible.sum())
    if count:
        band[impossible] = np.nan
    return count


def _compressed(hdu: Hdu, notes: list[str], max_pixels: float) -> Generator[NDArray[np.generic]]:
    # One HDU alone: astropy need not walk through all those before it.
    alone = EMPTY_PRIMARY + hdu.as_bytes()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tile_rows = tiles_must_be_sane(alone, hdu, max_pixels)
            with fits.open(io.BytesIO(alone), do_not_scale_image_data=True) as file:
                image = file[1]
                rows = max(1, BAND_PIXELS // max(1, hdu.shape[-1]))
                # Whole rows of tiles: each tile is decoded once.
                rows = -(-rows // tile_rows) * tile_rows
                lead = (0,) * (len(hdu.shape) - 2)
                if image.shape != hdu.shape:  # pyright: ignore[reportAttributeAccessIssue]  CompImageHDU
                    raise ValueError(f"an image of shape {image.shape}")  # pyright: ignore[reportAttributeAccessIssue]
                for start in range(0, hdu.shape[-2], rows):
                    section = image.section[(*lead, slice(start, start + rows))]  # pyright: ignore[reportAttributeAccessIssue]
                    band = np.asarray(section)
                    if band.dtype.kind not in "iuf":
                        raise ValueError(f"decoded to {band.dtype}")
                    yield band.ravel()
        except DECODER_ERRORS as error:
            raise FrameRejected(
                ReasonCode.UNREADABLE,
                f"the compressed pixels of HDU {hdu.index} cannot be decoded "
                f"({type(error).__name__}: {short(str(error))}); the file is damaged: "
                "copy it again",
            ) from error
    notes.extend(short(str(warning.message)) for warning in caught)


def short(message: str) -> str:
    """Return a warning as one line of at most 200 characters."""
    return " ".join(message.split())[:200]
