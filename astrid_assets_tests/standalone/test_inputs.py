"""Two frames come through the surveys' reader: the same refusals, before anything is read."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.science.errors import FrameRejected
from astrid_assets.standalone.inputs import read_frame
from astrid_assets.surveys.profile import Detector
from astrid_assets_tests.surveys.fits_files import light, pixels

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(30)
SMALL = Detector(max_megapixels=0.25)
MB = 1 << 20


def refused(path: Path) -> FrameRejected:
    with pytest.raises(FrameRejected) as raised:
        read_frame(path, "science", SMALL)
    assert path.name.encode("ascii", "replace").decode().split("?")[0] in str(raised.value)
    return raised.value


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.fits")
    error = refused(tmp_path / "a.fits")
    assert error.code == "not_a_file"
    assert "is a pipe" in str(error)


def test_a_device_behind_a_link_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.fits").symlink_to("/dev/zero")
    assert refused(tmp_path / "a.fits").code == "not_a_file"


def test_a_dead_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.fits").symlink_to("nowhere.fits")
    assert "cannot be read" in str(refused(tmp_path / "a.fits"))


def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.fits").touch()
    os.truncate(tmp_path / "a.fits", 10**12)
    error = refused(tmp_path / "a.fits")
    assert error.code == "too_large"
    assert "max_megapixels" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("start", [b"no FITS", light(), light(DATE_OBS=None)])
def test_a_refused_file_takes_little_memory(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "a.fits.gz"
    with gzip.open(path, "wb") as file:
        file.write(start)
        for _ in range(80):
            file.write(bytes(MB))
    tracemalloc.start()
    try:
        refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 * MB


def test_a_large_plain_file_is_refused_by_its_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"no FITS")
    os.truncate(path, 50 * MB)
    tracemalloc.start()
    try:
        assert refused(path).code == "unreadable"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * MB


@pytest.mark.parametrize("changes", [{"DATE_OBS": None}, {"EXPTIME": None}, {}])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_two_frames_need_not_have_is_filled_in(
    tmp_path: Path, changes: dict[str, None], pack: type[bytes]
) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(pack(light(None, **changes)))
    frame = read_frame(path, "science", Detector()).frame
    np.testing.assert_array_equal(frame.data, pixels() * np.float32(1.5))
