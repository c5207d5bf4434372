"""Bytes of a file from its beginning on: as they are, or unpacked as they are asked for.

A packed file is never unpacked as a whole: whoever walks through it keeps what is
needed, and everything else is counted and dropped. What the bytes mean is in
`structure`.
"""

from __future__ import annotations

import bz2
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, Protocol

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1 << 22
"""Bytes that are unpacked at a time: a multiple of every size of a pixel."""
FEED = 1 << 16
"""Packed bytes that are read at a time."""
OVERHEAD_BYTES = 64 << 20
"""Headers and tables a file may have beside its largest image."""
GZIP, BZIP2 = b"\x1f\x8b", b"BZh"
NOT_READ = {
    b"\x1f\x9d": ("packed by 'compress' (.Z)", "gunzip FILE"),
    b"\xfd7zXZ\x00": ("packed by xz", "unxz FILE"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "unzstd FILE"),
    b"PK\x03\x04": ("a zip archive", "unzip FILE"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "7z x FILE"),
}
"""Packings that are named but not read, by the file's first bytes."""
MAGIC_BYTES = max(map(len, NOT_READ))


class Stream(Protocol):
    """What a walk through a file needs; every read starts where the last one ended."""

    @property
    def room(self) -> float:
        """How many more bytes may come; infinite where nothing is unpacked."""
        ...

    @property
    def position(self) -> int:
        """How many bytes came."""
        ...

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer only at the end."""
        ...

    def skip(self, size: int) -> int:
        """Pass over bytes and return how many there were."""
        ...

    def finish(self) -> None:
        """Pass over the rest, so that a damaged packing is noticed."""
        ...


def limit_bytes(max_pixels: float) -> int:
    """Return how large a file may be, unpacked, whose images have so many pixels.

    Parameters
    ----------
    max_pixels
        `detector.max_megapixels` of the profile, in pixels.
    """
    # Eight bytes are the largest pixel FITS has.
    return int(max_pixels * 8) + OVERHEAD_BYTES


def open_stream(file: BinaryIO, max_pixels: float) -> Stream:
    """Return the plain bytes of a file that may be packed as a whole.

    Parameters
    ----------
    file
        Can be sought in, and is read from its beginning.

    Raises
    ------
    FrameRejected
        ``empty_file``; ``unreadable`` for packings that are not read.
    """
    file.seek(0)
    start = file.read(MAGIC_BYTES)
    file.seek(0)
    if not start:
        raise FrameRejected(ReasonCode.EMPTY_FILE, "the file is empty (0 bytes); copy it again")
    if start.startswith(GZIP):
        return UnpackedStream(file, _Gunzip, GZIP, limit_bytes(max_pixels))
    if start.startswith(BZIP2):
        return UnpackedStream(file, _Bunzip2, BZIP2, limit_bytes(max_pixels))
    for magic, (what, remedy) in NOT_READ.items():
        if start.startswith(magic):
            raise FrameRejected(
                ReasonCode.UNREADABLE,
                f"the file is {what}, which is not read; unpack it with '{remedy}'",
            )
    return PlainStream(file)


class PlainStream:
    """A file as it is; what is passed over is not read."""

    room = float("inf")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer only at the end."""
        self._file.seek(self.position)
        content = self._file.read(min(size, self._size - self.position))
        self.position += len(content)
        return content

    def skip(self, size: int) -> int:
        """Pass over bytes and return how many there were."""
        there = min(size, self._size - self.position)
        self.position += there
        return there

    def finish(self) -> None:
        """Do nothing: what follows the last HDU does not matter in an unpacked file."""


class UnpackedStream:
    """A packed file, of one part or several joined ones, unpacked piece by piece."""

    def __init__(
        self, file: BinaryIO, new_part: Callable[[], _Gunzip | _Bunzip2], magic: bytes, limit: int
    ) -> None:
        self._file = file
        self._new_part = new_part
        self._magic = magic
        self._limit = limit
        self._part = new_part()
        self._ready, self._at = b"", 0
        self._is_over = False
        self._unpacked = 0
        self.position = 0

    @property
    def room(self) -> float:
        """How many more bytes may come."""
        return self._limit - self.position

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer only at the end."""
        pieces: list[bytes] = []
        while size > 0 and (piece := self._take(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, size: int) -> int:
        """Pass over bytes and return how many there were."""
        left = size
        while left > 0 and (piece := self._take(left)):
            left -= len(piece)
        return size - left

    def finish(self) -> None:
        """Pass over the rest: its checksum, and its size."""
        while self._take(CHUNK):
            pass

    def _take(self, size: int) -> bytes:
        while self._at == len(self._ready) and not self._is_over:
            self._ready, self._at = self._next(), 0
        piece = self._ready[self._at : self._at + size]
        self._at += len(piece)
        self.position += len(piece)
        return piece

    def _next(self) -> bytes:
        """Unpack the next piece; empty at a seam, and at the end."""
        if self._part.eof:
            self._begin_part()
            return b""
        packed = self._file.read(FEED) if self._part.is_hungry else b""
        if self._part.is_hungry and not packed:
            raise _damaged(self._unpacked, "it ends too early")
        try:
            piece = self._part.unpack(packed, CHUNK)
        except (zlib.error, OSError) as error:
            raise _damaged(self._unpacked, str(error)) from error
        self._unpacked += len(piece)
        if self._unpacked > self._limit:
            raise too_large(self._limit)
        return piece

    def _begin_part(self) -> None:
        """Go on with the part that follows; anything else at the end is padding."""
        rest = self._part.unused_data
        while len(rest) < len(self._magic) and (more := self._file.read(FEED)):
            rest += more
        if not rest.startswith(self._magic):
            self._is_over = True
            return
        self._part = self._new_part()
        self._part.give(rest)


class _Gunzip:
    """One part of a gzip file."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(wbits=31)
        self._waiting = b""
        self._is_full = False

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def unused_data(self) -> bytes:
        return self._unpacker.unused_data

    @property
    def is_hungry(self) -> bool:
        return not self._waiting and not self._is_full

    def give(self, packed: bytes) -> None:
        self._waiting = packed

    def unpack(self, packed: bytes, size: int) -> bytes:
        piece = self._unpacker.decompress(self._waiting + packed, size)
        self._waiting = self._unpacker.unconsumed_tail
        # A full piece may leave more inside the unpacker than packed bytes outside it.
        self._is_full = len(piece) == size
        return piece


class _Bunzip2:
    """One part of a bzip2 file."""

    def __init__(self) -> None:
        self._unpacker = bz2.BZ2Decompressor()
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def unused_data(self) -> bytes:
        return self._unpacker.unused_data

    @property
    def is_hungry(self) -> bool:
        return not self._waiting and self._unpacker.needs_input

    def give(self, packed: bytes) -> None:
        self._waiting = packed

    def unpack(self, packed: bytes, size: int) -> bytes:
        given, self._waiting = self._waiting + packed, b""
        return self._unpacker.decompress(given, size)


def too_large(limit: int) -> FrameRejected:
    """Return the rejection of a file that unpacks to more than a limit, in bytes."""
    return FrameRejected(
        ReasonCode.TOO_LARGE,
        f"the file unpacks to more than {limit >> 20} MB; if it really is that "
        "large, raise detector.max_megapixels in the profile",
        limit_bytes=limit,
    )


def _damaged(size: int, why: str) -> FrameRejected:
    return FrameRejected(
        ReasonCode.TRUNCATED,
        f"the packed file is damaged after {size} unpacked bytes ({why}); copy it again",
        bytes_present=size,
    )
