"""Limits come before bytes: what is refused for its size takes little memory and reading."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal

from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.fits import structure
from astrid_assets.surveys.fits.facts import DoorRejection, ImageFacts
from astrid_assets.surveys.fits.reader import open_images, read_headers, read_image
from astrid_assets_tests.surveys.fits_files import (
    LIGHT,
    TAN,
    header_of,
    light,
    pixels,
    survey,
    to_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from astrid_assets.surveys.fits.hdu import Hdu

MB = 1 << 20
FEW_MB = 40


def of_size(content: bytes, *sides: int) -> bytes:
    """Return the first header of a file, with other lengths of the axes."""
    for axis, side in enumerate(sides, start=1):
        start = content.index(f"NAXIS{axis}  =".encode())
        content = content[: start + 10] + f"{side:>20}".encode() + content[start + 30 :]
    return content[:2880]


def bomb(start: bytes, megabytes: int, pack: str = "gzip") -> bytes:
    """Return a packed file that unpacks to so many megabytes of zeros."""
    out = io.BytesIO()
    opened = bz2.BZ2File(out, "wb") if pack == "bz2" else gzip.GzipFile(fileobj=out, mode="wb")
    with opened as file:
        file.write(start)
        for _ in range(megabytes // 4):
            file.write(bytes(4 * MB))
    return out.getvalue()


def peak_mb(work: Callable[[], object]) -> float:
    """Return the most memory that is taken at once, above that at the beginning."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


class CountingFile(io.BytesIO):
    """A file that counts the bytes that are read from it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read and count."""
        content = super().read(size)
        self.count += len(content)
        return content


@pytest.mark.slow
@pytest.mark.parametrize("pack", ["gzip", "bz2"])
@pytest.mark.parametrize(
    "start",
    [light(), of_size(light(), 3000, 1500), b"no FITS".ljust(2880)],
    ids=["behind the image", "in the image", "no FITS"],
)
def test_a_bomb_takes_little_memory(pack: str, start: bytes) -> None:
    content = bomb(start, 120, pack)
    profile = survey("[detector]\nmax_megapixels = 5")

    def refused() -> None:
        (found,) = read_headers(content, "a.fits", profile)
        assert isinstance(found, DoorRejection)
        assert found.reason.code in ("too_large", "unreadable")
        with pytest.raises(FrameRejected):
            read_image(content, 0, "a.fits", profile)

    assert peak_mb(refused) < FEW_MB


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_1"])
def test_a_compressed_image_without_content_takes_little_memory(algorithm: str) -> None:
    hdu = fits.CompImageHDU(
        np.zeros((4000, 4000), np.int32), header_of(LIGHT), compression_type=algorithm
    )
    content = to_bytes(fits.PrimaryHDU(), hdu)

    def refused() -> None:
        with pytest.raises(FrameRejected, match="same value"):
            read_image(content, 1, "a.fits", survey())

    assert peak_mb(refused) < FEW_MB + len(content) / MB * 3


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_1"])
def test_one_large_tile_without_content_takes_little_memory(algorithm: str) -> None:
    zeros = np.zeros((4000, 4000), np.int32)
    hdu = fits.CompImageHDU(
        zeros, header_of(LIGHT), compression_type=algorithm, tile_shape=zeros.shape
    )
    content = to_bytes(fits.PrimaryHDU(), hdu)

    def refused() -> None:
        with pytest.raises(FrameRejected, match="no noise") as raised:
            read_image(content, 1, "a.fits", survey())
        assert raised.value.code == "constant"

    assert peak_mb(refused) < FEW_MB


@pytest.mark.slow
def test_one_large_tile_of_noise_is_read(rng: np.random.Generator) -> None:
    values = rng.normal(100, 2, (2100, 2000)).astype(np.int16)
    hdu = fits.CompImageHDU(
        values, header_of(LIGHT), compression_type="RICE_1", tile_shape=values.shape
    )
    content = to_bytes(fits.PrimaryHDU(), hdu)
    assert_array_equal(read_image(content, 1, "a.fits", survey()).data, values)


@pytest.mark.slow
def test_a_packed_image_without_content_takes_little_memory() -> None:
    content = bomb(of_size(light(), 5000, 5000), 52)

    def refused() -> None:
        with pytest.raises(FrameRejected, match="same value"):
            read_image(content, 0, "a.fits", survey())

    assert peak_mb(refused) < FEW_MB


def test_a_promise_beyond_the_limit_is_refused_before_anything_is_unpacked() -> None:
    content = gzip.compress(of_size(light(), 60_000, 60_000) + bytes(1 << 16))
    (found,) = read_headers(content, "a.fits", survey())
    assert isinstance(found, DoorRejection)
    assert found.reason.code == "too_large"
    assert "detector.max_megapixels" in found.reason.message
    assert found.night == "2025-03-01"


def test_an_open_file_is_read_by_its_headers_alone() -> None:
    chips = [fits.ImageHDU(pixels((400, 400))) for _ in range(6)]
    content = to_bytes(fits.PrimaryHDU(header=header_of(LIGHT)), *chips)
    file = CountingFile(content)
    found = read_headers(file, "a.fits", survey())
    assert found == read_headers(content, "a.fits", survey())
    assert len(found) == 6
    assert file.count < 8 * 2880
    assert len(content) > 100 * 2880


@pytest.mark.slow
def test_many_images_are_read_from_one_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [pixels() + np.uint16(n) for n in range(62)]
    chips = [fits.ImageHDU(image, header_of(TAN)) for image in images]
    content = to_bytes(fits.PrimaryHDU(header=header_of(LIGHT)), *chips)
    headers = 0
    hdu_of = structure.hdu_of

    def counted(raw: bytes, index: int) -> Hdu:
        nonlocal headers
        headers += 1
        return hdu_of(raw, index)

    monkeypatch.setattr(structure, "hdu_of", counted)
    profile = survey()
    for packed in (content, gzip.compress(content)):
        headers = 0
        file = open_images(packed, profile)
        found = read_headers(file, "a.fits", profile)
        for entry, image in zip(found, images, strict=True):
            assert_array_equal(read_image(file, entry.hdu, "a.fits", profile).data, image)
        assert headers == 63


def test_an_image_is_the_same_from_one_walk_and_alone() -> None:
    content = gzip.compress(light(None, **TAN))
    one = read_image(open_images(content, survey()), 0, "a.fits", survey())
    other = read_image(content, 0, "a.fits", survey())
    assert_array_equal(one.data, other.data)
    assert one.facts == other.facts


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_file_packed_in_several_parts_is_one_file(pack: Callable[[bytes], bytes]) -> None:
    content = light()
    parts = pack(content[:1000]) + pack(content[1000:3000]) + pack(content[3000:])
    assert_array_equal(read_image(parts, 0, "a.fits", survey()).data, pixels())
    (found,) = read_headers(parts[:-10], "a.fits", survey())
    assert isinstance(found, DoorRejection)
    assert found.reason.code == "truncated"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lzma.compress(light()), "unxz"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "unzstd"),
        (b"#ASDF 1.0.0\n" + bytes(100), "export the image"),
        (gzip.compress(b""), "holds nothing"),
        (b"\x1f\x8b", "ends too early"),
    ],
    ids=["xz", "zstd", "ASDF", "empty gzip", "cut gzip"],
)
def test_other_files_are_refused_in_a_sentence(content: bytes, says: str) -> None:
    (found,) = read_headers(content, "a.fits", survey())
    assert isinstance(found, DoorRejection)
    assert found.hdu == -1
    with pytest.raises(FrameRejected, match=says):
        read_image(content, 0, "a.fits", survey())


def oversized() -> Iterator[tuple[str, bytes]]:
    """Yield headers whose numbers no file can keep."""
    many = b"".join(f"NAXIS{n:<3}= {2:>20}".ljust(80).encode() for n in range(3, 1000))
    head = light()[:2880].replace(
        b"NAXIS   =                    2", b"NAXIS   =                  999"
    )
    end = head.index(b"END".ljust(80))
    grown = head[:end] + many + head[end:]
    yield "NAXIS = 999", grown.ljust(-(-len(grown) // 2880) * 2880) + light()[2880:]
    yield "long axes", of_size(light(), 10**19, 10**19) + bytes(2880)
    yield "one long axis", of_size(light(), 3 * 10**9, 1) + bytes(2880)
    yield "negative axis", of_size(light(), -5, 40) + bytes(2880)
    for keyword in ("PCOUNT", "GCOUNT"):
        card = f"{keyword:8}= {10**18:>20}".ljust(80).encode()
        yield keyword, light()[:end] + card + light()[end + 80 :]


@pytest.mark.parametrize(("name", "content"), list(oversized()), ids=lambda _: "")
def test_numbers_without_measure_get_a_short_sentence(name: str, content: bytes) -> None:
    for entry in read_headers(content, "a.fits", survey()):
        assert isinstance(entry, DoorRejection), name
        assert 20 < len(entry.reason.message) < 300
        assert all(side is None or side < 2**31 for side in (entry.width, entry.height))


def test_a_file_that_denies_the_standard_says_so() -> None:
    content = light().replace(b"SIMPLE  =                    T", b"SIMPLE  =                    F")
    (found,) = read_headers(content, "a.fits", survey())
    assert isinstance(found, ImageFacts)
    assert any("SIMPLE" in note for note in found.notes)
    assert not any("SIMPLE" in note for note in read_headers(light(), "a", survey())[0].notes)


@pytest.mark.parametrize(
    "changes",
    [
        {"CD1_1": 0.0},
        {"CTYPE1": "RA---TAN", "CTYPE2": "RA---TAN"},
        {"CTYPE2": "GLAT-TAN"},
        {"CTYPE1": "RA---ZPN", "CTYPE2": "DEC--ZPN"},
        {"CUNIT1": "furlong"},
        {"CRVAL2": 500.0},
    ],
)
def test_a_note_on_a_wcs_holds_no_lines_of_code(changes: dict[str, object]) -> None:
    (found,) = read_headers(light(None, **{**TAN, **changes}), "a.fits", survey())
    for note in found.notes:
        assert "ERROR" not in note
        assert "line" not in note
        assert ".c:" not in note
        assert len(note) < 300


@pytest.mark.slow
def test_a_file_of_headers_without_end_stops_early() -> None:
    cards = b"COMMENT ".ljust(80) * 36
    content = gzip.compress(light()[:2880].replace(b"END", b"   ") + cards * 6000)
    (found,) = read_headers(content, "a.fits", survey())
    assert isinstance(found, DoorRejection)
    assert "END card" in found.reason.message


def test_a_file_of_very_many_hdus_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "MAX_HDUS", 5)
    chips = [fits.ImageHDU(pixels()) for _ in range(8)]
    content = to_bytes(fits.PrimaryHDU(header=header_of(LIGHT)), *chips)
    found = read_headers(content, "a.fits", survey())
    last = found.pop()
    assert [isinstance(entry, ImageFacts) for entry in found] == [True] * 4
    assert isinstance(last, DoorRejection)
    assert "more than 5 HDUs" in last.reason.message
