"""The door: what is packed is unpacked, what is broken is refused with its reason."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal

from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.fits.facts import DoorRejection, ImageFacts
from astrid_assets.surveys.fits.reader import read_headers, read_image
from astrid_assets_tests.surveys.fits_files import (
    LIGHT,
    header_of,
    light,
    pixels,
    survey,
    to_bytes,
)

PATH = "night/frame.fits"


def rejection_of(content: bytes, toml: str = "") -> DoorRejection:
    (found,) = read_headers(content, PATH, survey(toml))
    assert isinstance(found, DoorRejection), found
    return found


def data_of(content: bytes, hdu: int = 0, toml: str = "") -> np.ndarray:
    return read_image(content, hdu, PATH, survey(toml)).data


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_every_compression_gives_the_same_integers(algorithm: str, dtype: type) -> None:
    values = (pixels() % 30000).astype(dtype)
    if algorithm == "PLIO_1":
        values = values.astype(np.int16)  # PLIO holds no offset
    hdu = fits.CompImageHDU(values, header_of(LIGHT), compression_type=algorithm)
    assert_array_equal(data_of(to_bytes(fits.PrimaryHDU(), hdu), hdu=1), values)


@pytest.mark.parametrize("dither", [-1, 1, 2])
def test_compressed_floats_keep_their_values_and_their_blanks(
    rng: np.random.Generator, dither: int
) -> None:
    values = rng.normal(100, 10, (64, 64)).astype(np.float32)
    values[3, 5] = np.nan
    hdu = fits.CompImageHDU(
        values,
        header_of(LIGHT),
        compression_type="RICE_1",
        quantize_method=dither,
        quantize_level=64,
    )
    data = data_of(to_bytes(fits.PrimaryHDU(), hdu), hdu=1)
    assert np.isnan(data[3, 5])
    assert np.isnan(data).sum() == 1
    assert np.nanmax(np.abs(data - values)) < 10 / 64 * 1.01


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_files_open_like_plain_ones(pack) -> None:
    assert_array_equal(data_of(pack(light())), pixels())


def test_missing_padding_at_the_end_does_not_matter() -> None:
    content = light()
    needed = len(content) - 2880 + (pixels().size * 2) % 2880
    assert_array_equal(data_of(content[:needed]), pixels())
    assert rejection_of(content[: needed - 1]).reason.code == "truncated"


def test_a_truncated_file_is_rejected_with_its_facts() -> None:
    rejection = rejection_of(light()[:4000])
    assert rejection.reason.code == "truncated"
    assert "1120 of 3840 bytes" in rejection.reason.message
    assert rejection.night == "2025-03-01"
    assert rejection.band == "r"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"hello, this is no FITS file", "unreadable"),
        (light()[:1000], "truncated"),
        (gzip.compress(light())[:-20], "truncated"),
        (gzip.compress(light())[:40] + b"\xff" * 200, "truncated"),
        (b"\x1f\x9d" + bytes(100), "unreadable"),
        (b"PK\x03\x04" + bytes(100), "unreadable"),
        (to_bytes(fits.PrimaryHDU()), "no_image"),
        (light(np.zeros((3, 50, 50), np.int16)), "not_2d"),
        (light(np.zeros(50, np.int16)), "not_2d"),
        (light(np.zeros((31, 50), np.int16)), "too_small"),
        (light(DATE_OBS=None), "no_date"),
        (light(DATE_OBS="2025-03-01"), "no_date"),
        (light(EXPTIME=None), "no_exposure"),
        (light(EXPTIME=0), "no_exposure"),
        (light(EXPTIME=-3), "no_exposure"),
        (light(BAYERPAT="RGGB"), "colour_mosaic"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_its_code(content: bytes, code: str) -> None:
    rejection = rejection_of(content)
    assert rejection.reason.code == code
    assert len(rejection.reason.message) > 20
    with pytest.raises(FrameRejected) as raised:
        read_image(content, max(rejection.hdu, 0), PATH, survey())
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (np.full((48, 40), np.nan, np.float32), "all_nan"),
        (np.full((48, 40), 7, np.int16), "constant"),
    ],
)
def test_pixels_without_content_are_rejected(values: np.ndarray, code: str) -> None:
    with pytest.raises(FrameRejected) as raised:
        read_image(light(values), 0, PATH, survey())
    assert raised.value.code == code


def test_a_huge_promise_is_refused_before_memory_is_taken() -> None:
    content = light().replace(b"NAXIS1  =                   40", b"NAXIS1  =            400000000")
    rejection = rejection_of(content)
    assert rejection.reason.code == "too_large"
    assert "detector.max_megapixels" in rejection.reason.message


@pytest.mark.slow
def test_a_gzip_bomb_is_refused() -> None:
    bomb = gzip.compress(light() + bytes(200 << 20))
    assert rejection_of(bomb, "[detector]\nmax_megapixels = 1").reason.code == "too_large"


def test_good_chips_of_a_truncated_file_are_kept() -> None:
    chips = [fits.ImageHDU(pixels()) for _ in range(3)]
    content = to_bytes(fits.PrimaryHDU(header=header_of(LIGHT)), *chips)
    found = read_headers(content[: len(content) - 2880 - 500], PATH, survey())
    assert [isinstance(entry, ImageFacts) for entry in found] == [True, True, False]
    assert_array_equal(data_of(content[:-2880], hdu=2), pixels())


def test_a_section_outside_the_image_is_a_reason() -> None:
    with pytest.raises(FrameRejected, match="does not lie inside"):
        read_image(light(), 0, PATH, survey('[detector]\ntrim = "[17:528,1:520]"'))


def test_a_header_that_swallowed_the_next_one_is_no_compressed_image() -> None:
    hdu = fits.CompImageHDU(pixels(), header_of(LIGHT), compression_type="RICE_1")
    content = to_bytes(fits.PrimaryHDU(), hdu)
    end = content.index(b"END" + b" " * 77)
    swallowed = content[:end] + b"XXX" + content[end + 3 :]
    assert rejection_of(swallowed).reason.code == "no_image"
