"""Compressed planes as our files hold them: RICE tiles, rounded with a dither.

The same extensions that astropy writes, pixel for pixel and byte for byte of a tile,
and that any FITS reader reads, in a third of the time and on all cores. What a file
holds otherwise (tiles that could not be rounded, other methods) is left to astropy.

References
----------
FITS standard 4.0, section 10 and appendix I; Pence, White & Seaman 2010, PASP 122,
1065, for the dither.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from astrid_assets.science.threads import in_bands
from astrid_assets.storage import rice_kernels
from astrid_assets.storage.fits_cards import integer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.frame import Image, Mask

    Numbers = NDArray[np.int32]

DITHERS = 10_000  # numbers in the table of the FITS standard
DITHER_SEED = 1  # always the same, so that an image gives the same bytes twice
RESERVED = 2**31 - 11  # whole numbers below the lowest pixel; cfitsio keeps ten
TILE_ROWS = 64
OVERRUN = 8  # bytes a decoder may look ahead
UNSIGNED_ZERO = 1 << 15
MASK_BITS, IMAGE_BITS = 16, 32
DTYPES = {"P": np.dtype(">i4"), "Q": np.dtype(">i8"), "D": np.dtype(">f8")}


def rounded_plane(name: str, image: Image, step: float) -> fits.BinTableHDU:
    """Return a finite image rounded to a step and compressed; exact zeros stay.

    Parameters
    ----------
    image : (ny, nx)
        Its range is less than 2**31 steps.
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    step = float(np.float32(step))  # which is what cfitsio rounds to
    zeros = np.empty(-(-image.shape[0] // TILE_ROWS))

    def numbers_of(tile: int) -> Numbers:
        pixels = image[tile * TILE_ROWS : (tile + 1) * TILE_ROWS].reshape(-1)
        zeros[tile] = float(pixels.min()) + step * RESERVED
        numbers = np.empty(len(pixels), dtype=np.int32)
        rice_kernels.round_tile(
            pixels, step, zeros[tile], dithers(), tile + DITHER_SEED - 1, numbers
        )
        return numbers

    streams = _compressed(image.shape, IMAGE_BITS, numbers_of)
    plane = _table(
        name, image.shape, streams, IMAGE_BITS,
        fits.Column("ZSCALE", "1D", array=np.full(len(zeros), step)),
        fits.Column("ZZERO", "1D", array=zeros),
    )  # fmt: skip
    plane.header["ZBITPIX"] = -32
    plane.header["ZQUANTIZ"] = "SUBTRACTIVE_DITHER_2"
    plane.header["ZDITHER0"] = DITHER_SEED
    return plane


def whole_plane(name: str, mask: Mask) -> fits.BinTableHDU:
    """Return a mask compressed, bit for bit: (ny, nx)."""
    mask = np.ascontiguousarray(mask)

    def numbers_of(tile: int) -> Numbers:
        bits = mask[tile * TILE_ROWS : (tile + 1) * TILE_ROWS].reshape(-1)
        return np.subtract(bits, UNSIGNED_ZERO, dtype=np.int32)

    plane = _table(
        name, mask.shape, _compressed(mask.shape, MASK_BITS, numbers_of), MASK_BITS
    )
    plane.header["BSCALE"] = 1
    plane.header["BZERO"] = UNSIGNED_ZERO
    return plane


def _compressed(
    shape: tuple[int, ...], bits: int, numbers_of: Callable[[int], Numbers]
) -> list[NDArray[np.uint8]]:
    tiles = -(-shape[0] // TILE_ROWS)
    streams = [np.empty(0, dtype=np.uint8) for _ in range(tiles)]

    def work(first: int, last: int) -> None:
        for tile in _tiles_between(first, last, TILE_ROWS):
            numbers = numbers_of(tile)
            blocks = len(numbers) // rice_kernels.BLOCK + 1
            room = np.empty(bits // 8 * (len(numbers) + 1) + blocks + 8, np.uint8)
            used = rice_kernels.encode_tile(numbers, bits, room)
            streams[tile] = room[:used].copy()

    in_bands(work, shape[0])
    return streams


def _table(
    name: str,
    shape: tuple[int, ...],
    streams: Sequence[NDArray[np.uint8]],
    bits: int,
    *columns: fits.Column,
) -> fits.BinTableHDU:
    """Return the table of the standard that stands for a compressed image."""
    rows = np.empty(len(streams), dtype=object)
    rows[:] = streams
    first = fits.Column("COMPRESSED_DATA", "1PB()", array=rows)
    plane = fits.BinTableHDU.from_columns([first, *columns], name=name)
    for key, value in (
        ("ZIMAGE", True), ("ZTENSION", "IMAGE"), ("ZBITPIX", bits), ("ZNAXIS", 2),
        ("ZNAXIS1", shape[1]), ("ZNAXIS2", shape[0]), ("ZPCOUNT", 0), ("ZGCOUNT", 1),
        ("ZTILE1", shape[1]), ("ZTILE2", min(TILE_ROWS, shape[0])),
        ("ZCMPTYPE", "RICE_1"), ("ZNAME1", "BLOCKSIZE"),
        ("ZVAL1", rice_kernels.BLOCK), ("ZNAME2", "BYTEPIX"), ("ZVAL2", bits // 8),
    ):  # fmt: skip
        plane.header[key] = value
    return plane


def decompressed(hdu: fits.CompImageHDU) -> NDArray[np.generic] | None:
    """Return the image of an extension, None where this reader is not made for it.

    Parameters
    ----------
    hdu
        Of a file that is open.

    Returns
    -------
    image : (ny, nx)
        float32, or uint16 of a mask.
    """
    where = hdu.fileinfo()
    if where is None:
        return None
    file, begin = where["file"], where["datLoc"]
    file.seek(where["hdrLoc"])
    cards = bytes(file.read(begin - where["hdrLoc"]))
    header = fits.Header.fromstring(cards.decode("ascii"))
    if not _is_ours(header):
        return None
    body = np.frombuffer(file.read(where["datSpan"]), dtype=np.uint8)
    size = integer(header, "NAXIS2") * integer(header, "NAXIS1")
    table = body[:size].view(_row_type(header))
    lengths, offsets = table["COMPRESSED_DATA"].T.astype(np.int64)
    if (lengths == 0).any():
        return None
    heap = np.concatenate([body[size:], np.zeros(OVERRUN, dtype=np.uint8)])
    shape = integer(header, "ZNAXIS2"), integer(header, "ZNAXIS1")
    rows, leading = integer(header, "ZTILE2"), _leading_zeros()
    bits = 8 * integer(header, "ZVAL2")

    def numbers_of(tile: int) -> Numbers:
        count = (min((tile + 1) * rows, shape[0]) - tile * rows) * shape[1]
        numbers = np.empty(count, dtype=np.int32)
        stream = heap[offsets[tile] : offsets[tile] + lengths[tile] + OVERRUN]
        rice_kernels.decode_tile(stream, leading, bits, numbers)
        return numbers

    if bits == MASK_BITS:
        mask = np.empty(shape, dtype=np.uint16)

        def work(first: int, last: int) -> None:
            for tile in _tiles_between(first, last, rows):
                out = mask[tile * rows : (tile + 1) * rows].reshape(-1)
                np.add(numbers_of(tile), UNSIGNED_ZERO, out=out, casting="unsafe")

        in_bands(work, shape[0])
        return mask
    image, seed = np.empty(shape, dtype=np.float32), integer(header, "ZDITHER0")
    scales, zeros = table["ZSCALE"].astype(float), table["ZZERO"].astype(float)

    def unround(first: int, last: int) -> None:
        for tile in _tiles_between(first, last, rows):
            out = image[tile * rows : (tile + 1) * rows].reshape(-1)
            rice_kernels.unround(
                numbers_of(tile), scales[tile], zeros[tile], dithers(),
                tile + seed - 1, out,
            )  # fmt: skip

    in_bands(unround, shape[0])
    return image


def _tiles_between(first: int, last: int, tile_rows: int) -> range:
    """Tiles that begin in a band of rows: each in exactly one band."""
    return range(-(-first // tile_rows), -(-last // tile_rows))


def _is_ours(header: fits.Header) -> bool:
    is_mask = header.get("ZBITPIX") == MASK_BITS
    wanted: dict[str, object] = {
        "ZCMPTYPE": "RICE_1", "ZNAXIS": 2, "ZTILE1": header.get("ZNAXIS1"),
        "ZNAME1": "BLOCKSIZE", "ZVAL1": rice_kernels.BLOCK, "ZNAME2": "BYTEPIX",
        "ZVAL2": 2 if is_mask else 4,
    }  # fmt: skip
    if is_mask:
        wanted |= {"BZERO": UNSIGNED_ZERO, "BSCALE": 1}
    else:
        wanted |= {"ZBITPIX": -32, "ZQUANTIZ": "SUBTRACTIVE_DITHER_2"}
    is_plain = not {"ZBLANK", "THEAP", "ZMASKCMP"} & set(header)
    return is_plain and all(header.get(key) == value for key, value in wanted.items())


def _row_type(header: fits.Header) -> np.dtype[np.void]:
    fields = []
    for number in range(1, integer(header, "TFIELDS") + 1):
        form = str(header[f"TFORM{number}"]).lstrip("01")
        shape = (2,) if form[0] in "PQ" else ()
        fields.append((str(header[f"TTYPE{number}"]), DTYPES[form[0]], shape))
    return np.dtype(fields)


@lru_cache(maxsize=1)
def dithers() -> Image:
    """Return the numbers in 0..1 that the FITS standard dithers with: (10000,)."""
    numbers, seed = np.empty(DITHERS, dtype=np.float32), 1
    for i in range(DITHERS):
        seed = seed * 16807 % 2147483647
        numbers[i] = seed / 2147483647
    return numbers


@lru_cache(maxsize=1)
def _leading_zeros() -> NDArray[np.uint8]:
    return np.array([8 - number.bit_length() for number in range(256)], dtype=np.uint8)
