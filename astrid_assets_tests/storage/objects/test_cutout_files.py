"""The file of cutouts: with measurements, by name, and as it was before them."""

from __future__ import annotations

import io

import numpy as np
import pytest

from astrid_assets.science.detection.measurements import MEASUREMENTS
from astrid_assets.storage.objects.cutout_files import (
    cutout_file,
    read_cutout,
    read_cutout_file,
    rows_of,
)

NAMES = list(MEASUREMENTS)


@pytest.fixture
def pixels(rng):
    return rng.normal(size=(5, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def measurements(rng):
    found = rng.normal(size=(5, len(NAMES))).astype(np.float32)
    found[1, 2] = np.nan
    return found


def saved(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_what_is_written_is_read(pixels, measurements, tmp_path):
    content = cutout_file(pixels, measurements)
    found = read_cutout_file(content)
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(found.measurements, measurements)
    path = tmp_path / "cutouts.npy"
    path.write_bytes(content)
    some = rows_of(np.load(path, mmap_mode="r", allow_pickle=False), [3, 1])
    np.testing.assert_array_equal(some.pixels, pixels[[3, 1]])
    np.testing.assert_array_equal(some.measurements, measurements[[3, 1]])


def test_a_plain_array_has_no_measurements(pixels):
    found = read_cutout_file(saved(pixels))
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.measurements.shape == (5, len(NAMES))
    assert np.isnan(found.measurements).all()


def test_numbers_are_found_by_their_name(pixels, measurements):
    known = [NAMES[4], NAMES[0], "of another time"]
    records = np.zeros(5, dtype=[("pixels", "f4", (3, 8, 8)), *((name, "f4") for name in known)])
    records["pixels"], records[NAMES[4]] = pixels, measurements[:, 4]
    records[NAMES[0]] = measurements[:, 0]
    found = read_cutout_file(saved(records)).measurements
    np.testing.assert_array_equal(found[:, [0, 4]], measurements[:, [0, 4]])
    assert np.isnan(found).sum() == 5 * (len(NAMES) - 2)


def test_nothing_from_outside_is_unpickled():
    with pytest.raises(ValueError, match="allow_pickle"):
        read_cutout_file(saved(np.array([{"a": 1}], dtype=object)))


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_is_not_there_is_refused(pixels, measurements, row):
    content = cutout_file(pixels, measurements)
    one = read_cutout(content, 3)
    np.testing.assert_array_equal(one.pixels, pixels[3:4])
    np.testing.assert_array_equal(one.measurements, measurements[3:4])
    with pytest.raises(IndexError, match=f"row {row} of 5 cutouts"):
        read_cutout(content, row)
