"""Ingesting: a file is fetched and walked through once, and what has no night is counted."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits

from astrid_assets.cli.status import _print_undated
from astrid_assets.cli.surveys import profile_toml
from astrid_assets.compute import Compute
from astrid_assets.report.page import render_report
from astrid_assets.science.quality.refused_files import files_without_a_night
from astrid_assets.steps.nights import Tools
from astrid_assets.steps.processed_frames.process import process_nights
from astrid_assets.steps.raw_files import forget_raw_files, open_raw_file
from astrid_assets.steps.raw_observations import ingest
from astrid_assets.steps.raw_observations.ingest import index_source, register_nights
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.queries import observations
from astrid_assets.surveys.fits.reader import read_image
from astrid_assets.surveys.sources.opening import open_source
from astrid_assets_tests.catalogues import catalogue
from astrid_assets_tests.surveys.fits_files import (
    LIGHT,
    folder_survey,
    header_of,
    light,
    pixels,
    to_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.surveys.profile import SurveyProfile
    from astrid_assets.surveys.sources.base import FrameSource, SourceFile

__all__ = ["catalogue"]  # fixtures are found by name

NIGHT = "2025-03-01"
CHIPS = 62
FEW_CHIPS = 6


class CountingStore(FolderObjectStore):
    """A store that counts how often each object is fetched."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: Counter[str] = Counter()

    def get(self, key: str) -> bytes:
        """Fetch and count."""
        self.fetched[key] += 1
        return super().get(key)


class CountingSource:
    """A source that counts how often each file is opened, and the bytes that are read."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.opened: Counter[str] = Counter()
        self.bytes_read = 0

    def files(self) -> Iterator[SourceFile]:
        """Yield the files."""
        return self._source.files()

    def read(self, path: str) -> bytes:
        """Read and count."""
        with self.open(path) as file:
            return file.read()

    def open(self, path: str) -> BinaryIO:
        """Open and count."""
        self.opened[path] += 1
        counted = CountedBytes(self._source.read(path))
        counted.counter = self
        return counted

    def check(self) -> None:
        """Have nothing to complain about."""


class CountedBytes(io.BytesIO):
    """An open file that reports what is read from it."""

    counter: CountingSource

    def read(self, size: int | None = -1) -> bytes:
        """Read and count."""
        content = super().read(size)
        self.counter.bytes_read += len(content)
        return content


def tools_of(catalogue: Catalogue, folder: Path) -> Tools:
    return Tools(catalogue, CountingStore(folder), Compute())


def add_survey(catalogue: Catalogue, profile: SurveyProfile) -> None:
    with catalogue.begin() as session:
        session.add(
            Survey(
                name=profile.name,
                profile_toml=profile_toml(profile),
                created_at=now(),
                updated_at=now(),
            )
        )


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    return folder


def mosaic(chips: int) -> bytes:
    images = [fits.ImageHDU(pixels((100, 100)) + np.uint16(n)) for n in range(chips)]
    return to_bytes(fits.PrimaryHDU(header=header_of(LIGHT)), *images)


@pytest.mark.slow
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_all_chips_of_a_mosaic_come_from_one_fetch(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    store = CountingStore(tmp_path)
    key = store.put("raw/test", pack(mosaic(CHIPS)), ".fits")
    profile = folder_survey(tmp_path)
    for hdu in range(1, CHIPS + 1):
        raw = read_image(open_raw_file(store, key, profile), hdu, "mosaic.fits", profile)
        assert raw.data[0, 1] == hdu
    assert store.fetched == {key: 1}
    forget_raw_files()


@pytest.mark.slow
def test_a_mosaic_is_opened_twice_and_fetched_once(
    catalogue: Catalogue, tmp_path: Path, frames: Path
) -> None:
    content = mosaic(FEW_CHIPS)
    (frames / "mosaic.fits").write_bytes(content)
    profile = folder_survey(frames)
    add_survey(catalogue, profile)
    tools = tools_of(catalogue, tmp_path / "store")
    source = CountingSource(open_source(profile))
    (report,) = register_nights(tools, profile, source, [NIGHT])
    assert report.summary["lights"] == FEW_CHIPS
    # Once to date it, by its headers; once to keep it.
    assert source.opened == {"mosaic.fits": 2}
    assert source.bytes_read < len(content) + (FEW_CHIPS + 2) * 2880
    list(process_nights(tools, profile, [NIGHT]))
    assert isinstance(tools.store, CountingStore)
    raw = {key: n for key, n in tools.store.fetched.items() if key.startswith("raw/")}
    assert list(raw.values()) == [1]


def test_ids_and_keys_follow_from_the_content_alone(
    catalogue: Catalogue, tmp_path: Path, frames: Path
) -> None:
    (frames / "a.fits").write_bytes(light())
    (frames / "b.fits").write_bytes(b"no FITS")
    profile = folder_survey(frames)
    add_survey(catalogue, profile)
    tools = tools_of(catalogue, tmp_path / "store")
    list(register_nights(tools, profile, open_source(profile), [NIGHT]))
    good, bad = (hashlib.sha256(text).hexdigest() for text in (light(), b"no FITS"))
    with catalogue.read() as session:
        (frame,) = observations.observations_of_night(session, profile.name, NIGHT)
        (refused,) = observations.undated(session, profile.name)
    assert frame.id == ids.observation_id(profile.name, good, 0)
    assert frame.raw_key == f"raw/test/{NIGHT}/{good[:12]}.{good[:32]}.fits"
    assert refused.id == ids.observation_id(profile.name, bad, -1)
    assert (refused.sha256, refused.size_bytes, refused.raw_key) == (bad, 7, None)


def test_a_large_file_without_a_usable_image_is_never_in_memory(
    catalogue: Catalogue, tmp_path: Path, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "LARGE_BYTES", 10_000)
    content = light(np.zeros((20, 2000), np.int16))
    (frames / "a.fits").write_bytes(content)
    profile = folder_survey(frames)
    add_survey(catalogue, profile)
    tools = tools_of(catalogue, tmp_path / "store")
    source = CountingSource(open_source(profile))
    list(register_nights(tools, profile, source, [NIGHT]))
    with catalogue.read() as session:
        (row,) = observations.observations_of_night(session, profile.name, NIGHT)
    assert row.reason is not None
    assert row.reason["code"] == "too_small"
    assert row.sha256 == hashlib.sha256(content).hexdigest()
    assert row.size_bytes == len(content)


@pytest.mark.slow
def test_files_without_a_night_are_counted_by_reason(
    catalogue: Catalogue, tmp_path: Path, frames: Path
) -> None:
    (frames / "good.fits").write_bytes(light())
    for name in ("a.fits", "b.fits"):
        (frames / name).write_bytes(b"")
    (frames / "c.fits").write_bytes(b"no FITS at all")
    (frames / "d.fits").write_bytes(light(DATE_OBS=None))
    os.mkfifo(frames / "pipe.fits")
    (frames / os.fsdecode(b"bad\xff\n.fits")).write_bytes(light())
    profile = folder_survey(frames)
    add_survey(catalogue, profile)
    tools = tools_of(catalogue, tmp_path / "store")
    (report,) = register_nights(tools, profile, open_source(profile), [NIGHT])
    sentence = (
        "6 files without a night: 2 empty, 1 not readable as FITS, 1 without a date, "
        "1 that are no regular files, 1 with a name that cannot be printed"
    )
    assert report.summary["undated_files"] == 6
    assert report.summary["undated_because"] == sentence
    assert sentence in status_of(catalogue)
    assert sentence in render_report(catalogue, tools.store)[1]
    # What is mended or removed is counted no longer.
    (frames / "a.fits").write_bytes(light(OBJECT="other"))
    (frames / "b.fits").unlink()
    (frames / "pipe.fits").unlink()
    index_source(tools, profile, open_source(profile))
    assert "3 files without a night: 1 not readable" in status_of(catalogue)


def status_of(catalogue: Catalogue) -> str:
    from rich.console import Console

    console = Console(width=400, record=True)
    with catalogue.read() as session:
        _print_undated(console, session, "test")
    return console.export_text()


def test_no_file_makes_no_sentence() -> None:
    assert files_without_a_night({}) == ""
    assert files_without_a_night({"no_date": 1}) == "1 file without a night: 1 without a date"
    assert "1 new code" in files_without_a_night({"new_code": 1})
