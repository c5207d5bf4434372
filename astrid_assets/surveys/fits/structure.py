"""The skeleton of a FITS file: which HDUs it has, and the data of those that are wanted.

A file is walked through once, from its first header on. Sizes are read with plain
integers and without trust, and judged before the data behind them are: a file may be
cut off, may promise more pixels than any detector has, or may be no FITS at all. What
the keywords mean is in `headers`, how pixels are decoded in `pixels`.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from astropy.io import fits

from astrid_assets.science.errors import FrameRejected, Reason
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.hdu import BLOCK, CARD, Hdu, hdu_of, whole_blocks
from astrid_assets.surveys.fits.unpacking import (
    CHUNK,
    OVERHEAD_BYTES,
    PlainStream,
    limit_bytes,
    open_stream,
    too_large,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.surveys.fits.unpacking import Stream

MAX_HEADER_BYTES = 16 << 20
"""200 000 cards; the longest headers in use have some 20 000."""
MAX_HDUS = 10_000
"""Spectrographs and large mosaics write some hundreds."""


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
        return self.hdus[0].claims_the_standard

    @cached_property
    def lookup_tables(self) -> bytes:
        """A file of the distortions of its images' WCS; empty where there are none."""
        tables = [hdu.as_bytes() for hdu in self.hdus[1:] if hdu.is_lookup_table and hdu.data]
        return EMPTY_PRIMARY + b"".join(tables) if tables else b""

    def as_bytes(self) -> bytes:
        """Return the whole file, unpacked; of data that were not wanted nothing is there."""
        return b"".join(hdu.as_bytes() for hdu in self.hdus)


EMPTY_PRIMARY = fits.PrimaryHDU().header.tostring().encode("ascii")


def every_hdu(_hdu: Hdu) -> bool:
    """Want the data of every HDU."""
    return True


def no_hdu(_hdu: Hdu) -> bool:
    """Want no data but the distortions of a WCS, which come always."""
    return False


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
            hdu = hdu_of(_rest_of_header(stream, block), len(hdus))
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
        stream.skip(whole_blocks(hdu.data_bytes) - hdu.data_bytes)
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
    if content.startswith(b"#ASDF"):
        return Reason(
            ReasonCode.UNREADABLE,
            "this is an ASDF file, no FITS file, and is not read; export the image as FITS",
        )
    start = content[:8].decode("latin-1")
    return Reason(
        ReasonCode.UNREADABLE,
        f"this is no FITS file: it starts with {start!r} instead of 'SIMPLE'",
    )
