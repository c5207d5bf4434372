"""Compressed planes are written and read as astropy does it, bit for bit."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.threads import set_threads, threads
from astrid_assets.storage.fits_planes import (
    image_from,
    mask_plane,
    noisy_plane,
    positive_plane,
    stepped_plane,
)
from astrid_assets.storage.rice import decompressed, dithers

SHAPE = (150, 201)  # tiles of 64, 64 and 22 rows


def stored(plane):
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), plane]).writeto(buffer)
    return buffer.getvalue()


def both(content):
    """Return what our reader makes of a plane, and what astropy does."""
    with fits.open(io.BytesIO(content)) as hdus:
        return decompressed(hdus[1]), np.array(hdus[1].data)


def sky(rng):
    image = rng.normal(0, 20, SHAPE).astype(np.float32)
    image[30:34, 40:50] = 2e5  # blocks whose differences fill many bits
    image[70:75] = 0
    return image


PLANES = {
    "noise": lambda rng: noisy_plane("P", sky(rng), 20.0),
    "fine steps": lambda rng: stepped_plane("P", sky(rng), 1e-3),
    "coarse steps": lambda rng: stepped_plane("P", sky(rng), 1e4),
    "steps of each tile": lambda rng: noisy_plane("P", sky(rng), None),
    "logarithms": lambda rng: positive_plane("P", np.exp(sky(rng) / 1e4)),
    "wild": lambda rng: stepped_plane(
        "P", rng.uniform(-1e9, 1e9, SHAPE).astype(np.float32), 1.0
    ),
    "mask": lambda rng: mask_plane(
        "P", rng.integers(0, 65536, SHAPE).astype(np.uint16)
    ),
    "hardly a mask": lambda rng: mask_plane(
        "P", (rng.random(SHAPE) < 0.01).astype(np.uint16) << np.uint16(15)
    ),
    "no mask": lambda rng: mask_plane("P", np.zeros(SHAPE, np.uint16)),
}


@pytest.mark.parametrize("name", PLANES)
def test_every_kind_of_plane_is_read_as_astropy_reads_it(name, rng):
    ours, theirs = both(stored(PLANES[name](rng)))
    assert ours is not None
    assert ours.dtype == theirs.dtype.newbyteorder("=")
    np.testing.assert_array_equal(ours, theirs)


def by_astropy(image, **how):
    return fits.CompImageHDU(
        image, name="P", compression_type="RICE_1",
        tile_shape=(min(64, image.shape[0]), image.shape[1]), **how,
    )  # fmt: skip


def rounded_by_astropy(image, step):
    return by_astropy(image, quantize_level=-step, quantize_method=2, dither_seed=1)


WRITTEN = {
    "noise": (sky, 1.25),
    "fine": (sky, 1e-3),
    "coarse": (sky, 1e4),
    "constant": (lambda rng: np.full(SHAPE, 7.5, np.float32), 0.1),
    "zero": (lambda rng: np.zeros(SHAPE, np.float32), 0.1),
    "wild": (lambda rng: rng.uniform(-1e9, 1e9, SHAPE).astype(np.float32), 1.0),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_plane_holds_the_tiles_that_astropy_writes(name, rng):
    draw, step = WRITTEN[name]
    image = draw(rng)
    ours, theirs = (
        stored(plane)
        for plane in (stepped_plane("P", image, step), rounded_by_astropy(image, step))
    )
    assert_same_tiles(ours, theirs)
    np.testing.assert_array_equal(both(theirs)[0], both(theirs)[1])


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 1])
def test_a_mask_holds_the_tiles_that_astropy_writes(share, rng):
    bits = rng.integers(0, 65536, SHAPE).astype(np.uint16)
    mask = np.where(rng.random(SHAPE) < share, bits, np.uint16(0))
    ours, theirs = stored(mask_plane("P", mask)), stored(by_astropy(mask))
    assert_same_tiles(ours, theirs)
    np.testing.assert_array_equal(both(theirs)[0], mask)


def assert_same_tiles(ours, theirs):
    tables = []
    for content in (ours, theirs):
        with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
            header = hdus[1].header
            tables.append(
                (
                    [bytes(tile) for tile in hdus[1].data["COMPRESSED_DATA"]],
                    *(
                        list(hdus[1].data[name])
                        for name in ("ZSCALE", "ZZERO")
                        if name in hdus[1].columns.names
                    ),
                    {k: header[k] for k in header if k[0] == "Z" and k[-1] not in "38"},
                )
            )
    assert tables[0][:-1] == tables[1][:-1]
    # NOISEBIT, the third setting, only says which step was asked for.
    assert tables[0][-1] == tables[1][-1]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(4, 140),
    st.integers(4, 70),
    st.floats(-3, 12),
    st.integers(0, 2**32 - 1),
)
def test_planes_of_any_size_and_spread(ny, nx, spread, seed):
    values = np.random.default_rng(seed).normal(0, 10**spread, (ny, nx))
    ours, theirs = both(stored(stepped_plane("P", values.astype(np.float32), 1e4)))
    assert ours is not None
    np.testing.assert_array_equal(ours, theirs)


def test_what_this_reader_is_not_made_for_is_left_to_astropy(rng):
    image = sky(rng)
    image[10, 10] = np.nan
    for plane in (
        fits.CompImageHDU(image, compression_type="RICE_1", quantize_level=16.0),
        fits.CompImageHDU(sky(rng), compression_type="GZIP_1", quantize_level=0.0),
        fits.CompImageHDU(sky(rng), quantize_method=1, dither_seed=3),
        fits.CompImageHDU(sky(rng).astype(np.int32), compression_type="RICE_1"),
    ):
        plane.name = "P"
        content = stored(plane)
        ours, theirs = both(content)
        assert ours is None
        with fits.open(io.BytesIO(content)) as hdus:
            np.testing.assert_array_equal(
                image_from(hdus, "P"), theirs.astype(np.float32)
            )


def test_the_number_of_threads_changes_nothing(rng):
    image = rng.normal(0, 20, (700, 300)).astype(np.float32)
    content = stored(noisy_plane("P", image, 20.0))
    before = threads()
    found = []
    try:
        for number in (1, 2, 3):
            set_threads(number)
            found.append(both(content)[0])
    finally:
        set_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_the_dithers_are_those_of_the_standard():
    # Appendix I: the seed after ten thousand steps must be 1043618065.
    assert dithers()[-1] == np.float32(1043618065 / 2147483647)
    assert 0 < dithers().min() < dithers().max() < 1
