"""Shards on disk read like one array, whatever is asked for, in bounded memory."""

from __future__ import annotations

import copy
import os
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.learning import stamps as stamps_module
from astrid_assets.learning.stamps import Stamps, write_stamps

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(20, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def masks(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 2, (20, 8, 8)).astype(np.uint8)


def test_rows_of_shards_are_rows_of_the_whole_array(tmp_path: Path, images, masks, rng):
    stamps = write_stamps(tmp_path, images, masks, rows_per_shard=7)
    assert (len(stamps), stamps.channels, stamps.size) == (20, 3, 8)
    assert [len(np.load(path)) for path in stamps.images] == [7, 7, 6]
    for rows in (np.arange(20), rng.permutation(20), np.array([6, 7, 7, 19]), np.arange(0)):
        np.testing.assert_array_equal(stamps.images_of(rows), images[rows])
        np.testing.assert_array_equal(stamps.masks_of(rows), masks[rows])


def test_no_more_files_are_open_than_a_process_may_have(tmp_path, images, masks, monkeypatch):
    monkeypatch.setattr(stamps_module, "MAX_OPEN", 3)
    stamps = write_stamps(tmp_path, images, masks, rows_per_shard=4)
    for _ in range(3):
        np.testing.assert_array_equal(stamps.images_of(np.arange(20)), images)
    assert len(stamps._images._open) <= 3
    number = next(iter(stamps._images._open.values()))
    del stamps
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_file_that_was_cut_off_is_named(tmp_path, images, masks):
    stamps = write_stamps(tmp_path, images, masks)
    with stamps.images[0].open("r+b") as file:
        file.truncate(stamps.images[0].stat().st_size - 1)
    np.testing.assert_array_equal(stamps.images_of(np.arange(19)), images[:19])
    with pytest.raises(OSError, match=r"images\..* ends within row 19: remove it"):
        stamps.images_of(np.array([19]))


def test_what_is_read_can_be_changed_and_the_file_stays(tmp_path, images, masks):
    stamps = write_stamps(tmp_path, images, masks)
    stamps.images_of(np.arange(2))[:] = 0
    np.testing.assert_array_equal(stamps.images_of(np.arange(2)), images[:2])


def test_another_pixel_is_another_digest_and_another_folder_is_not(tmp_path, images, masks):
    first = write_stamps(tmp_path / "a", images, masks, 7)
    again = write_stamps(tmp_path / "b", images, masks, 7)
    changed = images.copy()
    changed[19, 2, 7, 7] += 1
    assert first.digest() == again.digest()
    assert first.digest() != write_stamps(tmp_path / "c", changed, masks, 7).digest()


def test_stamps_travel_to_another_process_by_path(tmp_path, images, masks):
    stamps = write_stamps(tmp_path, images, masks, 7)
    stamps.images_of(np.arange(20))
    assert len(pickle.dumps(stamps)) < 2000
    np.testing.assert_array_equal(copy.copy(stamps).images_of(np.arange(3)), images[:3])


def test_shards_that_do_not_fit_together_are_refused(tmp_path, images, masks):
    stamps = write_stamps(tmp_path, images, masks, 7)
    with pytest.raises(ValueError, match="3 shards of images with 20 rows need as many masks"):
        Stamps(stamps.images, stamps.masks[:2])
    with pytest.raises(ValueError, match="holds uint8, float32 is needed"):
        Stamps(stamps.masks, stamps.masks)
    with pytest.raises(IndexError, match="rows 3 to 20 of 20 cutouts"):
        stamps.images_of(np.array([3, 20]))
    nameless = tmp_path / "images.npy"
    np.save(nameless, images)
    with pytest.raises(ValueError, match="holds no hash of its content"):
        Stamps((nameless,), stamps.masks[:1])
