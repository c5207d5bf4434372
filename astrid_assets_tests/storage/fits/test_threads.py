"""The first planes that a process reads, side by side, are right."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from astrid_assets.science.arrays.threads import set_threads, threads
from astrid_assets.storage.fits.planes import (
    file_of,
    mask_plane,
    noisy_plane,
    planes_from,
    positive_plane,
)

NAMES = ("DATA", "OTHER", "VARIANCE", "MASK")

READ_FIRST = """
import hashlib, os, sys
from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.storage.fits.planes import planes_from
path, expected, *names = sys.argv[1:]
content = open(path, "rb").read()
set_threads(2)
wrong = 0
for _ in range(200):
    child = os.fork()
    if child == 0:
        planes = b"".join(p.tobytes() for p in planes_from(content, *names))
        os._exit(hashlib.sha256(planes).hexdigest() != expected)
    wrong += os.waitpid(child, 0)[1] != 0
print(wrong)
"""
"""Each child is a process that has read nothing yet."""


@pytest.fixture
def with_threads():
    before = threads()
    yield set_threads
    set_threads(before)


def written() -> bytes:
    rng = np.random.default_rng(1)
    data, other = rng.normal(0, 20, (2, 256, 256)).astype(np.float32)
    return file_of(
        None,
        [
            lambda: noisy_plane("DATA", data, 20.0),
            lambda: noisy_plane("OTHER", other, 20.0),
            lambda: positive_plane("VARIANCE", data**2 + 400),
            lambda: mask_plane("MASK", (data > 50).astype(np.uint16)),
        ],
    )


def digest(content: bytes) -> str:
    planes = planes_from(content, *NAMES)
    return hashlib.sha256(b"".join(p.tobytes() for p in planes)).hexdigest()


@pytest.mark.slow
def test_threads_change_no_byte(with_threads):
    with_threads(1)
    content = written()
    expected = digest(content)
    with_threads(3)
    assert written() == content
    assert digest(content) == expected


@pytest.mark.slow
def test_what_a_process_reads_first_is_what_it_reads_later(tmp_path, with_threads):
    """Without the table of dithers filled beforehand one in forty has wrong pixels."""
    with_threads(1)
    file = tmp_path / "planes.fits"
    file.write_bytes(written())
    found = subprocess.run(
        [sys.executable, "-c", READ_FIRST, file, digest(file.read_bytes()), *NAMES],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.stdout.strip() == "0"
