"""The skeleton of a FITS file: which HDUs it has, and the data of those that are wanted.

A file is walked through once, from its first header on. Sizes are read with plain
integers and without trust, and judged before the data behind them are: a file may be
cut off, may promise more pixels than any detector has, or may be no FITS at all. What
the keywords mean is in `headers`, how pixels are decoded in `pixels`.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from astropy.io import fits

from astrid_assets.science.errors import FrameRejected, Reason
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.unpacking import (
    CHUNK,
    OVERHEAD_BYTES,
    PlainStream,
    limit_bytes,
    open_stream,
    too_large,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from astrid_assets.surveys.fits.unpacking import Stream

BLOCK = 2880
CARD = 80
BITPIX = (8, 16, 32, 64, -32, -64)
IMAGE_EXTENSIONS = (b"IMAGE", b"IUEIMAGE")
TABLES = (b"BINTABLE", b"A3DTABLE")
LOOKUP_TABLES = (b"WCSDVARR", b"D2IMARR")
"""Names of the HDUs with distortions, which a WCS may need."""
MAX_HEADER_BYTES = 16 << 20
"""200 000 cards; the longest headers in use have some 20 000."""
MAX_HDUS = 10_000
"""Spectrographs and large mosaics write some hundreds."""
MANY_AXES = 8
"""Axes beyond these are counted, not listed."""
LONG_AXIS = 10**15
"""Longer ones are rounded in words."""

STRUCTURE = re.compile(rb"(XTENSION|ZIMAGE|GROUPS|Z?BITPIX|Z?NAXIS\d{0,3}|PCOUNT|GCOUNT)")
VALUE = re.compile(rb"=\s*(?:'([^']*)'|([+-]?\d+)(?=[\s/.]|$)|([TF])(?=[\s/]|$))")
COMPRESSION_ONLY = re.compile(
    r"^(Z(IMAGE|TENSION|SIMPLE|EXTEND|CMPTYPE|BITPIX|PCOUNT|GCOUNT|BLANK|QUANTIZ|"
    r"DITHER0|HECKSUM|DATASUM|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+)|"
    r"T(FIELDS|TYPE\d+|FORM\d+|UNIT\d+|DIM\d+|NULL\d+)|"
    r"XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|THEAP)$"
)


@dataclass(frozen=True)
class Hdu:
    """One header and data unit: its raw header and the position of its bytes.

    `shape` is in array order, ``(ny, nx)`` for an image; of a tile-compressed image
    it is the shape of the image, not of the table that holds it. `missing_bytes`
    is above 0 where the file ends too early. `data` are the bytes that are there, in
    pieces of `unpacking.CHUNK`; None where nobody wanted them.
    """

    index: int
    raw_header: bytes
    data_bytes: int
    missing_bytes: int
    bitpix: int
    shape: tuple[int, ...]
    is_image: bool
    is_compressed: bool
    data: tuple[bytes | memoryview, ...] | None = field(default=None, repr=False, compare=False)

    @property
    def is_lookup_table(self) -> bool:
        """Whether it may hold the distortions of a WCS."""
        return any(name in self.raw_header for name in LOOKUP_TABLES)

    def as_bytes(self) -> bytes:
        """Return header and data as they stand in a file, whole ones in whole blocks."""
        header = self.raw_header.ljust(_blocks(len(self.raw_header)))
        data = b"".join(self.data or ())
        return header + (data if self.missing_bytes else data.ljust(_blocks(len(data)), b"\0"))

    @cached_property
    def header(self) -> fits.Header:
        """Return the header; a compressed image's is the header of the image."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = fits.Header.fromstring(self.raw_header.decode("latin-1"))
            if not self.is_compressed:
                return header
            cards = [c for c in header.cards if not COMPRESSION_ONLY.match(c.keyword)]
            image = fits.Header(cards)
            image["NAXIS"] = len(self.shape)
            for axis, length in enumerate(reversed(self.shape), start=1):
                image[f"NAXIS{axis}"] = length
            return image


@dataclass(frozen=True)
class FitsFile:
    """A file that was walked through.

    Attributes
    ----------
    hdus
        Those whose header is whole and makes sense.
    problem
        Why the walk ended early, or None if it reached the end of the file.
    """

    hdus: tuple[Hdu, ...]
    problem: Reason | None

    @property
    def claims_the_standard(self) -> bool:
        """Whether the first header says ``SIMPLE = T``."""
        if not self.hdus:
            return True
        found = VALUE.match(self.hdus[0].raw_header[8:CARD])
        return bool(found) and found.group(3) == b"T"

    @cached_property
    def lookup_tables(self) -> bytes:
        """A file of the distortions of its images' WCS; empty where there are none."""
        tables = [hdu.as_bytes() for hdu in self.hdus[1:] if hdu.is_lookup_table and hdu.data]
        return EMPTY_PRIMARY + b"".join(tables) if tables else b""

    def as_bytes(self) -> bytes:
        """Return the whole file, unpacked; of data that were not wanted nothing is there."""
        return b"".join(hdu.as_bytes() for hdu in self.hdus)


EMPTY_PRIMARY = fits.PrimaryHDU().header.tostring().encode("ascii")


def every_hdu(hdu: Hdu) -> bool:
    """Want the data of every HDU."""
    return bool(hdu)


def no_hdu(hdu: Hdu) -> bool:
    """Want no data but the distortions of a WCS, which come always."""
    return not hdu


def open_fits(
    content: bytes | BinaryIO, max_pixels: float, wanted: Callable[[Hdu], bool] = every_hdu
) -> FitsFile:
    """Walk through a file, packed as a whole or not, from header to header.

    Data that are not wanted are passed over: they are not read where the file can be
    sought in, and dropped as they are unpacked where it is packed.

    Parameters
    ----------
    content
        The bytes, or an open file.
    max_pixels
        Images with more are not read; a packed file may unpack to 8 bytes per pixel
        and 64 MB.
    wanted
        Which data are kept; the pieces of `Hdu.data` are views of bytes where they can be.

    Raises
    ------
    FrameRejected
        ``empty_file``; ``unreadable`` for packings that are not read;
        ``truncated`` for a damaged packing; ``too_large`` for a bomb.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    stream = open_stream(file, max_pixels)
    view = memoryview(content) if isinstance(content, bytes) else None
    if not isinstance(stream, PlainStream):
        view = None
    return _walk(stream, view, max_pixels, wanted)


def _walk(
    stream: Stream, view: memoryview | None, max_pixels: float, wanted: Callable[[Hdu], bool]
) -> FitsFile:
    hdus: list[Hdu] = []
    while block := stream.read(BLOCK):
        if not block.startswith(b"XTENSION" if hdus else b"SIMPLE"):
            # After the last HDU the standard allows special records.
            if not hdus:
                return FitsFile((), _no_fits(block))
            problem = None
            break
        try:
            if len(hdus) == MAX_HDUS:
                raise _too_many()
            hdu = _hdu_of(_rest_of_header(stream, block), len(hdus))
            if hdu.data_bytes > stream.room:
                if _is_too_large(hdu, max_pixels):
                    # It is refused for its size, with all that its header says.
                    return FitsFile((*hdus, hdu), None)
                return FitsFile(tuple(hdus), too_large(limit_bytes(max_pixels)).reason)
        except FrameRejected as problem_found:
            problem = problem_found.reason
            break
        small = hdu.is_lookup_table and hdu.data_bytes <= OVERHEAD_BYTES
        if small or (wanted(hdu) and not _is_too_large(hdu, max_pixels)):
            present, data = _data(stream, view, hdu.data_bytes)
        else:
            present, data = stream.skip(hdu.data_bytes), None
        hdus.append(replace(hdu, data=data, missing_bytes=hdu.data_bytes - present))
        stream.skip(_blocks(hdu.data_bytes) - hdu.data_bytes)
    else:
        problem = None if hdus else _nothing_inside()
    stream.finish()
    return FitsFile(tuple(hdus), problem)


def _is_too_large(hdu: Hdu, max_pixels: float) -> bool:
    return hdu.is_image and math.prod(hdu.shape[-2:]) > max_pixels


def _data(
    stream: Stream, view: memoryview | None, size: int
) -> tuple[int, tuple[bytes | memoryview, ...]]:
    """Return how many bytes of data there are, and them in pieces."""
    if view is not None:
        start = stream.position
        present = stream.skip(size)
        ends = range(start, start + present, CHUNK)
        return present, tuple(view[at : min(at + CHUNK, start + present)] for at in ends)
    pieces: list[bytes] = []
    present = 0
    while present < size and (piece := stream.read(min(CHUNK, size - present))):
        present += len(piece)
        # Equal pieces, such as nothing but zeros, take the memory of one.
        if pieces and pieces[-1] == piece:
            piece = pieces[-1]
        pieces.append(piece)
    return present, tuple(pieces)


def _rest_of_header(stream: Stream, block: bytes) -> bytes:
    """Return a header up to its END card; the stream stands behind its last block."""
    raw = bytearray()
    while block:
        at = block.find(b"END")
        while at >= 0:
            if at % CARD == 0 and not block[at + 3 : at + CARD].strip(b" \0"):
                return bytes(raw + block[: at + CARD])
            at = block.find(b"END", at + 1)
        raw += block
        if len(raw) > MAX_HEADER_BYTES:
            raise FrameRejected(
                ReasonCode.UNREADABLE,
                f"a header has no END card in its first {MAX_HEADER_BYTES >> 20} MB; the file "
                "is damaged: copy it again",
            )
        block = stream.read(BLOCK)
    raise FrameRejected(
        ReasonCode.TRUNCATED,
        f"a header is cut off: it has no END card before the file ends at "
        f"{stream.position} bytes; copy the file again",
        bytes_present=stream.position,
    )


def _hdu_of(raw: bytes, index: int) -> Hdu:
    values = _structural_values(raw)
    is_table = raw.startswith(b"XTENSION") and values[b"XTENSION"].strip() in TABLES
    prefix = b"Z" if is_table and values.get(b"ZIMAGE") == b"T" else b""
    stored = _axes(values, b"", index)
    data_bytes = _size_bytes(values, stored, index)
    axes = _axes(values, prefix, index) if prefix else stored
    extension = values[b"XTENSION"].strip() if index else b"IMAGE"
    is_groups = values.get(b"GROUPS") == b"T" and axes[:1] == (0,)
    return Hdu(
        index=index,
        raw_header=raw,
        data_bytes=data_bytes,
        missing_bytes=0,
        bitpix=_integer(values, prefix + b"BITPIX", index),
        shape=tuple(reversed(axes)),
        is_image=bool(prefix) or (extension in IMAGE_EXTENSIONS and not is_groups),
        is_compressed=bool(prefix),
    )


def _structural_values(raw: bytes) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for at in range(0, len(raw), CARD):
        keyword = raw[at : at + 8].rstrip()
        if keyword not in values and STRUCTURE.fullmatch(keyword):
            found = VALUE.match(raw[at + 8 : at + CARD])
            # The first card counts, as it does for astropy, also if it is broken.
            groups = found.groups() if found else (b"",)
            values[keyword] = next(g for g in groups if g is not None)
    return values


def _axes(values: dict[bytes, bytes], prefix: bytes, index: int) -> tuple[int, ...]:
    count = _integer(values, prefix + b"NAXIS", index)
    if not 0 <= count <= 999:
        raise _broken(index, f"NAXIS is {count}")
    axes = tuple(_integer(values, prefix + b"NAXIS%d" % (i + 1), index) for i in range(count))
    if any(length < 0 for length in axes):
        raise _broken(index, f"its axes have the lengths {axes_in_words(reversed(axes))}")
    return axes


def _size_bytes(values: dict[bytes, bytes], axes: tuple[int, ...], index: int) -> int:
    bitpix = _integer(values, b"BITPIX", index)
    if bitpix not in BITPIX:
        raise _broken(index, f"BITPIX is {bitpix}")
    if not axes:
        return 0
    groups = values.get(b"GROUPS") == b"T" and axes[0] == 0
    elements = math.prod(axes[1:] if groups else axes)
    extra = _integer(values, b"PCOUNT", index) if b"PCOUNT" in values else 0
    count = _integer(values, b"GCOUNT", index) if b"GCOUNT" in values else 1
    if extra < 0 or count < 0:
        raise _broken(index, f"PCOUNT is {extra} and GCOUNT {count}")
    return abs(bitpix) // 8 * count * (extra + elements)


def _integer(values: dict[bytes, bytes], keyword: bytes, index: int) -> int:
    try:
        return int(values[keyword])
    except (KeyError, ValueError):
        raise _broken(index, f"{keyword.decode()} is missing or no number") from None


def _broken(index: int, what: str) -> FrameRejected:
    return FrameRejected(
        ReasonCode.UNREADABLE,
        f"the header of HDU {index} is broken: {what}; the file is damaged or was "
        "written by a faulty program",
    )


def axes_in_words(shape: Iterable[int]) -> str:
    """Return the lengths of an array's axes in FITS order, the first few of many."""
    sides = [f"{length:.6g}" if abs(length) >= LONG_AXIS else str(length) for length in shape]
    sides.reverse()
    more = len(sides) - MANY_AXES
    return " x ".join(sides[:MANY_AXES]) + (f" … ({more} more axes)" if more > 0 else "")


def _too_many() -> FrameRejected:
    return FrameRejected(
        ReasonCode.TOO_LARGE,
        f"the file has more than {MAX_HDUS} HDUs; those behind are not read",
        limit=MAX_HDUS,
    )


def _nothing_inside() -> Reason:
    return Reason(
        ReasonCode.EMPTY_FILE, "the packed file holds nothing (0 bytes); pack it or copy it again"
    )


def _no_fits(content: bytes) -> Reason:
    start = content[:8].decode("latin-1")
    return Reason(
        ReasonCode.UNREADABLE,
        f"this is no FITS file: it starts with {start!r} instead of 'SIMPLE'",
    )


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
