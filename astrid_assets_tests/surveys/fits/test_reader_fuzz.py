"""The door under fire: valid files round-trip, damaged ones only get rejected."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.masking.fill_values import filled_pixels
from astrid_assets.surveys.fits.facts import DoorRejection, ImageFacts
from astrid_assets.surveys.fits.reader import raw_image_to_frame, read_headers, read_image
from astrid_assets_tests.surveys.fits_files import (
    LIGHT,
    TAN,
    header_of,
    light,
    pixels,
    survey,
    to_bytes,
)

pytestmark = pytest.mark.slow

PROFILE = survey()
SMALL = survey("[detector]\nmax_megapixels = 0.1")
SHAPES = st.tuples(st.integers(32, 50), st.integers(32, 50))
FULL = header_of({**LIGHT, **TAN})


def _compressed(algorithm: str, values: np.ndarray) -> bytes:
    hdu = fits.CompImageHDU(values, FULL, compression_type=algorithm)
    return to_bytes(fits.PrimaryHDU(), hdu)


SEEDS = [
    to_bytes(fits.PrimaryHDU(pixels(), FULL)),
    to_bytes(fits.PrimaryHDU(pixels().astype(np.float32), FULL)),
    _compressed("RICE_1", pixels()),
    _compressed("GZIP_2", pixels()),
    _compressed("HCOMPRESS_1", pixels()),
    _compressed("PLIO_1", (pixels() % 4096).astype(np.int16)),
    _compressed("RICE_1", pixels().astype(np.float32)),
    gzip.compress(to_bytes(fits.PrimaryHDU(pixels(), FULL))),
]


def survives(content: bytes) -> None:
    """Read everything; only answers and the known rejection may come out."""
    found = read_headers(content, "a/b.fits", SMALL)
    assert found
    for entry in found:
        if isinstance(entry, DoorRejection):
            assert entry.reason.code
            assert entry.reason.message
            continue
        try:
            raw = read_image(content, entry.hdu, "a/b.fits", SMALL)
        except FrameRejected:
            continue
        frame = raw_image_to_frame(raw, "id")
        assert np.isfinite(frame.data).all()
        assert frame.data.shape == frame.mask.shape


def same_pixels(found: np.ndarray, values: np.ndarray) -> None:
    """Compare what is read with what was written, but for patches of one exact value."""
    written = values.astype(np.float32)
    known = np.isfinite(found)
    assert_array_equal(found[known], written[known])
    if not filled_pixels(written, np.inf)[0].any():
        assert known.all()


@given(
    values=st.one_of(
        hnp.arrays(np.int16, SHAPES),
        hnp.arrays(np.uint16, SHAPES),
        hnp.arrays(np.uint8, SHAPES),
        hnp.arrays(np.float32, SHAPES, elements=st.floats(-1e10, 1e10, width=32)),
    ),
    exposure_s=st.floats(0.001, 10000),
    gain=st.floats(0.02, 30),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_valid_light_frame_round_trips(
    values: np.ndarray, exposure_s: float, gain: float
) -> None:
    content = light(values, EXPTIME=exposure_s, GAIN=gain)
    (facts,) = read_headers(content, "x.fits", PROFILE)
    assert isinstance(facts, ImageFacts)
    assert np.isclose(facts.exposure_s, exposure_s, rtol=1e-12)
    assert np.isclose(facts.gain_e_per_adu, gain, rtol=1e-12)
    if values.min() == values.max():
        return
    same_pixels(read_image(content, 0, "x.fits", PROFILE).data, values)


@given(
    values=hnp.arrays(np.int16, SHAPES, elements=st.integers(0, 20000)),
    algorithm=st.sampled_from(["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"]),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_compression_is_without_loss(values: np.ndarray, algorithm: str) -> None:
    if values.min() == values.max():
        return
    content = _compressed(algorithm, values)
    same_pixels(read_image(content, 1, "x.fits", PROFILE).data, values)


@given(content=st.binary(max_size=6000))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_random_bytes_are_only_rejected(content: bytes) -> None:
    survives(content)


@given(cards=st.lists(st.binary(min_size=80, max_size=80), max_size=20))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_random_cards_are_only_rejected(cards: list[bytes]) -> None:
    start = b"SIMPLE  =                    T".ljust(80)
    survives((start + b"".join(cards) + b"END".ljust(80)).ljust(5760))


@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
        min_size=1,
        max_size=30,
    ),
    keep=st.floats(0, 1),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_are_read_or_rejected(
    seed: bytes, edits: list[tuple[float, int]], keep: float
) -> None:
    damaged = bytearray(seed)
    for place, byte in edits:
        damaged[int(place * len(damaged))] = byte
    # Half of the files are cut off too.
    survives(bytes(damaged[: int(2 * keep * len(damaged)) or None]))


@given(
    seed=st.sampled_from(SEEDS[:-1]),
    card=st.integers(1, 60),
    value=st.one_of(
        st.integers(-(10**12), 10**12).map(str),
        st.floats().map(str),
        st.text(st.characters(codec="ascii"), max_size=30),
    ),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_headers_that_lie_are_read_or_rejected(seed: bytes, card: int, value: str) -> None:
    # Compressed files have their header in the second HDU, after one block.
    start = 2880 * (seed[240:320].split(b"/")[0].split(b"=")[-1].strip() == b"0")
    at = start + 80 * card + 10
    lying = seed[:at] + value.encode().ljust(70)[:70] + seed[at + 70 :]
    survives(lying)
