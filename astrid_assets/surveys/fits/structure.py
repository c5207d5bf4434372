"""The skeleton of a FITS file: which HDUs it has and where their bytes are.

Only sizes are read here, with plain integers and without trust: a file may be cut
off, may promise more pixels than any detector has, or may be no FITS at all. What
the keywords mean is in `headers`, how pixels are decoded in `pixels`.
"""

from __future__ import annotations

import bz2
import math
import re
import warnings
import zlib
from dataclasses import dataclass
from functools import cached_property

from astropy.io import fits

from astrid_assets.science.errors import FrameRejected, Reason
from astrid_assets.science.reasons import ReasonCode

BLOCK = 2880
CARD = 80
BITPIX = (8, 16, 32, 64, -32, -64)
IMAGE_EXTENSIONS = (b"IMAGE", b"IUEIMAGE")
TABLES = (b"BINTABLE", b"A3DTABLE")
UNPACK_CHUNK = 1 << 22
OVERHEAD_BYTES = 64 << 20
"""Headers and tables a file may have beside its largest image."""

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
    is above 0 where the file ends too early.
    """

    index: int
    raw_header: bytes
    header_start: int
    data_start: int
    data_bytes: int
    missing_bytes: int
    bitpix: int
    shape: tuple[int, ...]
    is_image: bool
    is_compressed: bool

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


def unpack(content: bytes, max_pixels: float) -> bytes:
    """Return the plain FITS bytes of a file that may be packed as a whole.

    Raises
    ------
    FrameRejected
        ``empty_file``; ``unreadable`` for packings that are not read;
        ``truncated`` for a damaged packing; ``too_large`` for a bomb.
    """
    if not content:
        raise FrameRejected(ReasonCode.EMPTY_FILE, "the file is empty (0 bytes); copy it again")
    if content[:2] == b"\x1f\x8b":
        return _inflate(content, max_pixels)
    if content[:3] == b"BZh":
        return _bunzip(content, max_pixels)
    if content[:2] == b"\x1f\x9d":
        raise FrameRejected(
            ReasonCode.UNREADABLE,
            "the file is packed by 'compress' (.Z), which is not read; unpack it "
            "with 'gunzip FILE'",
        )
    if content[:4] == b"PK\x03\x04":
        raise FrameRejected(
            ReasonCode.UNREADABLE, "the file is a zip archive; unpack it with 'unzip FILE'"
        )
    return content


def read_structure(content: bytes) -> tuple[list[Hdu], Reason | None]:
    """Walk through the HDUs as far as they can be followed.

    Returns
    -------
    hdus
        Those whose header is whole and makes sense.
    problem
        Why the walk ended early, or None if it reached the end of the file.
    """
    hdus: list[Hdu] = []
    start = 0
    while start < len(content):
        if not content.startswith(b"XTENSION" if hdus else b"SIMPLE", start):
            # After the last HDU the standard allows special records.
            return hdus, None if hdus else _no_fits(content)
        try:
            hdu = _hdu_at(content, start, len(hdus))
        except FrameRejected as problem:
            return hdus, problem.reason
        hdus.append(hdu)
        start = hdu.data_start + _blocks(hdu.data_bytes)
    return hdus, None


def _hdu_at(content: bytes, start: int, index: int) -> Hdu:
    end = _end_of_header(content, start)
    raw = content[start:end]
    values = _structural_values(raw)
    is_table = raw.startswith(b"XTENSION") and values[b"XTENSION"].strip() in TABLES
    prefix = b"Z" if is_table and values.get(b"ZIMAGE") == b"T" else b""
    stored = _axes(values, b"", index)
    data_bytes = _size_bytes(values, stored, index)
    axes = _axes(values, prefix, index) if prefix else stored
    extension = values[b"XTENSION"].strip() if index else b"IMAGE"
    is_groups = values.get(b"GROUPS") == b"T" and axes[:1] == (0,)
    data_start = start + _blocks(end - start)
    return Hdu(
        index=index,
        raw_header=raw,
        header_start=start,
        data_start=data_start,
        data_bytes=data_bytes,
        missing_bytes=max(0, data_start + data_bytes - len(content)),
        bitpix=_integer(values, prefix + b"BITPIX", index),
        shape=tuple(reversed(axes)),
        is_image=bool(prefix) or (extension in IMAGE_EXTENSIONS and not is_groups),
        is_compressed=bool(prefix),
    )


def _end_of_header(content: bytes, start: int) -> int:
    """Return where the header ends: after its END card."""
    at = content.find(b"END", start)
    while at >= 0:
        if (at - start) % CARD == 0 and not content[at + 3 : at + CARD].strip(b" \0"):
            return min(at + CARD, len(content))
        at = content.find(b"END", at + 1)
    raise FrameRejected(
        ReasonCode.TRUNCATED,
        f"a header is cut off: it has no END card before the file ends at "
        f"{len(content)} bytes; copy the file again",
        bytes_present=len(content),
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
        raise _broken(index, f"its axes have the lengths {axes}")
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


def _no_fits(content: bytes) -> Reason:
    start = content[:8].decode("latin-1")
    return Reason(
        ReasonCode.UNREADABLE,
        f"this is no FITS file: it starts with {start!r} instead of 'SIMPLE'",
    )


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _limit_bytes(max_pixels: float) -> int:
    # Eight bytes are the largest pixel FITS has.
    return int(max_pixels * 8) + OVERHEAD_BYTES


def _inflate(content: bytes, max_pixels: float) -> bytes:
    limit = _limit_bytes(max_pixels)
    out = bytearray()
    rest = content
    try:
        while rest[:2] == b"\x1f\x8b":  # gzip files may be several, joined
            unpacker = zlib.decompressobj(wbits=31)
            while rest and not unpacker.eof:
                out += unpacker.decompress(rest, UNPACK_CHUNK)
                rest = unpacker.unconsumed_tail
                _must_fit(len(out), limit)
            if not unpacker.eof:
                raise _cut_packing(len(out), "it ends too early")
            rest = unpacker.unused_data
    except zlib.error as error:
        raise _cut_packing(len(out), str(error)) from error
    return bytes(out)


def _bunzip(content: bytes, max_pixels: float) -> bytes:
    limit = _limit_bytes(max_pixels)
    unpacker = bz2.BZ2Decompressor()
    out = bytearray()
    try:
        out += unpacker.decompress(content, UNPACK_CHUNK)
        while not unpacker.eof:
            if unpacker.needs_input:
                raise _cut_packing(len(out), "it ends too early")
            out += unpacker.decompress(b"", UNPACK_CHUNK)
            _must_fit(len(out), limit)
    except OSError as error:
        raise _cut_packing(len(out), str(error)) from error
    return bytes(out)


def _must_fit(size: int, limit: int) -> None:
    if size > limit:
        raise FrameRejected(
            ReasonCode.TOO_LARGE,
            f"the file unpacks to more than {limit >> 20} MB; if it really is that "
            "large, raise detector.max_megapixels in the profile",
            limit_bytes=limit,
        )


def _cut_packing(size: int, why: str) -> FrameRejected:
    return FrameRejected(
        ReasonCode.TRUNCATED,
        f"the packed file is damaged after {size} unpacked bytes ({why}); copy it again",
        bytes_present=size,
    )
