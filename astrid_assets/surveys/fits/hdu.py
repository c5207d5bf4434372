"""One header and data unit: the numbers of its header that say where its bytes are.

They are read with plain integers and without trust. How a file is walked through is in
`structure`, what the other keywords mean in `headers`.
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from astropy.io import fits

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK = 2880
CARD = 80
BITPIX = (8, 16, 32, 64, -32, -64)
IMAGE_EXTENSIONS = (b"IMAGE", b"IUEIMAGE")
TABLES = (b"BINTABLE", b"A3DTABLE")
LOOKUP_TABLES = (b"WCSDVARR", b"D2IMARR")
"""Names of the HDUs with distortions, which a WCS may need."""
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
    pieces of `unpacking.CHUNK`; None where they were not asked for.
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

    @property
    def claims_the_standard(self) -> bool:
        """Whether the header begins with ``SIMPLE = T``."""
        found = VALUE.match(self.raw_header[8:CARD])
        return found is not None and found.group(3) == b"T"

    def as_bytes(self) -> bytes:
        """Return header and data as in a file, padded to full blocks unless data are missing."""
        header = self.raw_header.ljust(whole_blocks(len(self.raw_header)))
        data = b"".join(self.data or ())
        return header + (data if self.missing_bytes else data.ljust(whole_blocks(len(data)), b"\0"))

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


def hdu_of(raw: bytes, index: int) -> Hdu:
    """Return the HDU that a raw header describes; `FrameRejected` where it is broken."""
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


def whole_blocks(size: int) -> int:
    """Return a size in bytes, filled up to whole blocks of FITS."""
    return -(-size // BLOCK) * BLOCK
