"""Tiles that lie about themselves never reach the decoders."""

from __future__ import annotations

import struct
import time

import pytest
from astropy.io import fits

from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.fits.reader import read_image
from astrid_assets_tests.surveys.fits_files import (
    LIGHT,
    header_of,
    pixels,
    survey,
    to_bytes,
)


def compressed(algorithm: str) -> bytes:
    values = (pixels() % 4096).astype("i2")
    hdu = fits.CompImageHDU(values, header_of(LIGHT), compression_type=algorithm)
    return to_bytes(fits.PrimaryHDU(), hdu)


def with_card(content: bytes, keyword: str, value: int) -> bytes:
    """Return the file with another integer in the first card of that name."""
    start = content.index(f"{keyword:8}=".encode(), 2880)
    return content[: start + 10] + f"{value:>20}".encode() + content[start + 30 :]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "keyword", "value"),
    [
        ("HCOMPRESS_1", "ZNAXIS1", 32),  # the stream says 40 pixels a row
        ("HCOMPRESS_1", "ZTILE2", 8),
        ("RICE_1", "ZTILE1", 0),
        ("RICE_1", "ZTILE1", 10**9),
        ("RICE_1", "ZVAL1", 10**6),
        ("RICE_1", "ZVAL2", 3),
        ("RICE_1", "TFIELDS", 10**9),
        ("RICE_1", "ZNAXIS2", 47),
        ("GZIP_1", "ZTILE1", 1),
        ("PLIO_1", "ZNAXIS2", 100),
    ],
)
def test_a_header_that_does_not_fit_its_tiles_is_refused_at_once(
    algorithm: str, keyword: str, value: int
) -> None:
    content = compressed(algorithm)
    read_image(content, 1, "a.fits", survey())
    lying = with_card(content, keyword, value)
    start = time.monotonic()
    with pytest.raises(FrameRejected) as raised:
        read_image(lying, 1, "a.fits", survey())
    assert raised.value.code == "unreadable"
    assert "damaged" in str(raised.value)
    assert time.monotonic() - start < 5


def test_a_plio_list_longer_than_its_tile_is_refused() -> None:
    content = bytearray(compressed("PLIO_1"))
    # The new form of list: word 3 is -100, words 4 and 5 hold the length.
    start = content.index(struct.pack(">hhh", 0, 7, -100))
    content[start + 6 : start + 8] = struct.pack(">h", 30000)
    with pytest.raises(FrameRejected, match="claims 30000"):
        read_image(bytes(content), 1, "a.fits", survey())
