"""The tiles of a compressed image, tried before a decoder sees them.

The decoders are C code that believes what a tile says about itself: a damaged one
may ask for any amount of memory, or write past the end of it. So every number that
they would believe is compared here with what the header promises.
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

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets.surveys.fits.unpacking import CHUNK

if TYPE_CHECKING:
    from astrid_assets.surveys.fits.hdu import Hdu

DESCRIPTOR_BYTES = 8
MAX_COLUMNS = 999  # of the FITS standard
ALGORITHMS = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS")
HCOMPRESS_MAGIC = b"\xdd\x99"
RICE_BYTES = (1, 2, 4)
MAX_RICE_BLOCK = 1024
MAX_BITS = 64
LARGE_TILE_PIXELS = 4_000_000
MIN_BITS_PER_PIXEL = 0.2
"""Noise takes more than one; RICE packs equal pixels into 5 bits for each 32."""


def tiles_must_be_sane(alone: bytes, hdu: Hdu, max_pixels: float) -> int:
    """Return how many rows a tile has; `ValueError` where table or tiles cannot be right.

    Parameters
    ----------
    alone
        A file that holds this HDU only.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = HeaderView(fits.Header.fromstring(hdu.raw_header.decode("latin-1")))
    tile = _tile_shape(header, hdu, max_pixels)
    algorithm = (header.text("ZCMPTYPE") or "").strip()
    if algorithm not in ALGORITHMS:
        raise ValueError(f"the compression {algorithm!r} is not known")
    _settings_must_be_sane(header, algorithm)
    with fits.open(io.BytesIO(alone), disable_image_compression=True) as file:
        table = file[1]
        names = table.columns.names  # pyright: ignore[reportAttributeAccessIssue]
        for column, packing in (
            ("COMPRESSED_DATA", algorithm),
            ("GZIP_COMPRESSED_DATA", "GZIP_1"),
        ):
            if column not in names:
                continue
            cells = table.data[column]  # pyright: ignore[reportAttributeAccessIssue]
            for number, cell in enumerate(cells):
                if len(cell):
                    pixels = _pixels_of_tile(number, tile, hdu.shape[::-1])
                    _tile_must_be_sane(np.asarray(cell), packing, pixels)
    return tile[1] if len(tile) > 1 else 1


def _tile_shape(header: HeaderView, hdu: Hdu, max_pixels: float) -> list[int]:
    sides = list(reversed(hdu.shape))
    tile = [
        _integer(header, f"ZTILE{n}", sides[0] if n == 1 else 1) for n in range(1, len(sides) + 1)
    ]
    if min(tile) < 1 or math.prod(tile) > max_pixels:
        raise ValueError(f"tiles of {tile} pixels")
    tiles = math.prod(-(-side // t) for side, t in zip(sides, tile, strict=True))
    rows = _integer(header, "NAXIS2", 0)
    row_bytes = _integer(header, "NAXIS1", 0)
    # A row holds at least one descriptor, so the file's size limits the rows.
    if rows != tiles or row_bytes < DESCRIPTOR_BYTES:
        raise ValueError(f"{rows} rows of {row_bytes} bytes for {tiles} tiles")
    columns = _integer(header, "TFIELDS", 0)
    if not 0 < columns <= MAX_COLUMNS:
        raise ValueError(f"a table of {columns} columns")
    return tile


def _pixels_of_tile(number: int, tile: list[int], sides: tuple[int, ...]) -> int:
    """Return how many pixels a tile has: those at the far edges have fewer."""
    pixels = 1
    for side, length in zip(sides, tile, strict=True):
        along = -(-side // length)
        number, place = divmod(number, along)
        pixels *= min(length, side - place * length)
    return pixels


def _settings_must_be_sane(header: HeaderView, algorithm: str) -> None:
    """Check the numbers that name/value pairs hand to the RICE decoder."""
    if not algorithm.startswith("RICE"):
        return
    for n in range(1, MAX_COLUMNS):
        name = header.text(f"ZNAME{n}")
        if name is None:
            return
        value = header.number(f"ZVAL{n}")
        is_wrong = (name == "BYTEPIX" and value not in RICE_BYTES) or (
            name == "BLOCKSIZE" and not (value and 1 <= value <= MAX_RICE_BLOCK)
        )
        if is_wrong:
            raise ValueError(f"{name} is {value}")


def _tile_must_be_sane(
    cell: np.ndarray[tuple[int], np.dtype[np.generic]], packing: str, pixels: int
) -> None:
    packed = cell.tobytes()
    _tile_must_have_noise(len(packed), pixels)
    if packing.startswith("GZIP"):
        _tile_must_fit(packed, pixels)
    elif packing == "HCOMPRESS_1":
        if len(packed) < 25 or not packed.startswith(HCOMPRESS_MAGIC):
            raise ValueError("a tile is no HCOMPRESS stream")
        nx, ny = struct.unpack(">ii", packed[2:10])
        planes = packed[22:25]
        if nx < 1 or ny < 1 or nx * ny != pixels or max(planes) > MAX_BITS:
            raise ValueError(f"a tile says it has {nx} x {ny} pixels")
    elif packing == "PLIO_1":
        words = cell.astype(np.int64)
        if len(words) < 3:
            raise ValueError("a tile is no PLIO list")
        # Old lists say their length in word 3, new ones in words 4 and 5.
        is_old = words[2] > 0
        length = words[2] if is_old else (words[4] << 15) + words[3]
        if not 0 < length <= len(words):
            raise ValueError(f"a PLIO list of {len(words)} words claims {length}")


def _tile_must_have_noise(packed_bytes: int, pixels: int) -> None:
    """Raise `FrameRejected` for a large tile that is packed as only equal pixels are.

    A decoder takes memory for the whole tile at once, and would find nothing in it.
    """
    bits = packed_bytes * 8 / pixels
    if pixels > LARGE_TILE_PIXELS and bits < MIN_BITS_PER_PIXEL:
        raise FrameRejected(
            ReasonCode.CONSTANT,
            f"a tile of {pixels / 1e6:.0f} megapixels is packed into {bits:.2f} bits per "
            "pixel, so it holds no noise: the readout or the program that wrote the file "
            "failed",
            bits_per_pixel=bits,
            limit=MIN_BITS_PER_PIXEL,
        )


def _tile_must_fit(packed: bytes, pixels: int) -> None:
    """Unpack a tile piece by piece, keeping none."""
    unpacker = zlib.decompressobj(wbits=47)
    left = pixels * 8
    while piece := unpacker.decompress(packed, CHUNK):
        left -= len(piece)
        if left < 0:
            raise ValueError(f"a tile unpacks to more than {pixels} pixels")
        packed = unpacker.unconsumed_tail


def _integer(header: HeaderView, keyword: str, default: int) -> int:
    value = header.own_number(keyword)
    return default if value is None else int(value)
