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
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

# Its own exception has no public name.
from astropy.io.fits.hdu.compressed._compression import (  # pyright: ignore[reportMissingImports]
    CfitsioException,
)

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.structure import BLOCK
from astrid_assets.surveys.fits.tiles import tiles_must_be_sane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.fits.structure import Hdu

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

EMPTY_PRIMARY = fits.PrimaryHDU().header.tostring().encode("ascii")


def read_pixels(
    content: bytes, hdu: Hdu, header: HeaderView, notes: list[str], max_pixels: float
) -> Image:
    """Decode the 2-D image of an HDU whose size was checked before.

    Parameters
    ----------
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
        ``unreadable`` if the tiles of a compressed image are damaged.
    """
    _note_checksum(content, hdu, header, notes)
    if hdu.is_compressed:
        raw = _compressed(content, hdu, notes, max_pixels)
    else:
        kind = f">{'i' if hdu.bitpix > 0 else 'f'}{abs(hdu.bitpix) // 8}"
        dtype = np.dtype("u1" if hdu.bitpix == 8 else kind)
        count = math.prod(hdu.shape)
        raw = np.frombuffer(content, dtype, count, hdu.data_start)
    data = _scaled(raw.reshape(hdu.shape[-2:]), header, notes)
    return _without_impossible(data, notes)


def _note_checksum(content: bytes, hdu: Hdu, header: HeaderView, notes: list[str]) -> None:
    """Note a DATASUM that does not fit; many programs forget to renew it."""
    stated = header.own_number("DATASUM")
    if not stated:
        return
    data = content[hdu.data_start : hdu.data_start + hdu.data_bytes]
    words = np.frombuffer(data + bytes(-len(data) % 4), ">u4")
    total = int(words.sum(dtype=np.uint64))
    while total >> 32:  # ones' complement: carries come back in at the right
        total = (total & 0xFFFFFFFF) + (total >> 32)
    if total != int(stated):
        notes.append("DATASUM does not fit: the pixels changed after it was written")


def _scaled(raw: NDArray[np.generic], header: HeaderView, notes: list[str]) -> Image:
    scale = _factor(header, "BSCALE", 1.0, notes)
    zero = _factor(header, "BZERO", 0.0, notes)
    # Integers up to 16 bits are exact in float32; wider ones are scaled in float64.
    wide = raw.dtype.itemsize > 2
    with np.errstate(over="ignore", invalid="ignore"):
        data = raw.astype(np.float64 if wide else np.float32)
        if scale != 1.0:
            data *= scale
        if zero != 0.0:
            data += zero
        data = data.astype(np.float32, copy=False)
    if raw.dtype.kind in "iu":
        blank = _blank(raw, header, notes)
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


def _without_impossible(data: Image, notes: list[str]) -> Image:
    with np.errstate(invalid="ignore"):
        impossible = np.abs(data) > SENTINEL
    count = int(impossible.sum())
    if count:
        notes.append(f"{count} pixels are infinite or beyond 1e20 and count as blank")
        data[impossible] = np.nan
    return data


def _compressed(
    content: bytes, hdu: Hdu, notes: list[str], max_pixels: float
) -> NDArray[np.generic]:
    end = hdu.data_start + hdu.data_bytes
    # One HDU alone: astropy need not walk through all those before it.
    padding = bytes(-(end - hdu.header_start) % BLOCK)
    alone = EMPTY_PRIMARY + content[hdu.header_start : end] + padding
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tiles_must_be_sane(alone, hdu, max_pixels)
            with fits.open(io.BytesIO(alone), do_not_scale_image_data=True) as file:
                data = np.asarray(file[1].data)  # pyright: ignore[reportAttributeAccessIssue]  CompImageHDU
                if data.shape != hdu.shape or data.dtype.kind not in "iuf":
                    raise ValueError(f"decoded to {data.dtype} of shape {data.shape}")
        except DECODER_ERRORS as error:
            raise FrameRejected(
                ReasonCode.UNREADABLE,
                f"the compressed pixels of HDU {hdu.index} cannot be decoded "
                f"({type(error).__name__}: {str(error)[:200]}); the file is damaged: "
                "copy it again",
            ) from error
    notes.extend(short(str(warning.message)) for warning in caught)
    return data


def short(message: str) -> str:
    """Return a warning as one line of at most 200 characters."""
    return " ".join(message.split())[:200]
