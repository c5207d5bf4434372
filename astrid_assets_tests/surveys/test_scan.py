"""Scanning: nights of new and changed files, and nothing else is opened."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from astrid_assets.surveys.scan import scan
from astrid_assets.surveys.sources.base import FileUnavailable, SourceFile
from astrid_assets.surveys.sources.opening import open_source
from astrid_assets_tests.surveys.fits_files import folder_survey, light, survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ListedFiles:
    """A source of files in memory that remembers what was read."""

    def __init__(self, files: dict[SourceFile, bytes | None]) -> None:
        self._files = files
        self.opened: list[str] = []

    def files(self) -> Iterator[SourceFile]:
        """Yield them as given."""
        yield from self._files

    def read(self, path: str) -> bytes:
        """Remember the path; a file without content is gone."""
        self.opened.append(path)
        content = next(c for file, c in self._files.items() if file.path == path)
        if content is None:
            raise FileUnavailable(f"{path} is gone")
        return content

    def open(self, path: str) -> BinaryIO:
        """Open what is read."""
        return io.BytesIO(self.read(path))

    def check(self) -> None:
        """Have nothing to complain about."""


def test_only_new_and_changed_files_are_opened() -> None:
    source = ListedFiles(
        {
            SourceFile("changed.fits", 10, 2): light(),
            SourceFile("new.fits", 10, 1): light(DATE_OBS="2025-03-05T01:00:00"),
            SourceFile("same.fits", 10, 1): light(),
        }
    )
    known = {"changed.fits": (10, 1), "same.fits": (10, 1), "vanished.fits": (1, 1)}
    result = scan(survey(), source, known)
    assert source.opened == ["changed.fits", "new.fits"]
    assert result.unchanged == 1
    assert result.gone == ("vanished.fits",)
    assert result.nights == ["2025-03-01", "2025-03-05"]
    assert [file.nights for file in result.files] == [("2025-03-01",), ("2025-03-05",)]


def test_a_source_that_knows_its_nights_is_not_read() -> None:
    source = ListedFiles({SourceFile("a.fits", 0, 0, "2025-03-07"): None})
    result = scan(survey(), source, {})
    assert source.opened == []
    assert result.nights == ["2025-03-07"]


def test_files_that_cannot_be_used_are_reported_and_do_not_stop_the_scan() -> None:
    source = ListedFiles(
        {
            SourceFile("dated.fits", 1, 1): light(EXPTIME=None),
            SourceFile("gone.fits", 1, 1): None,
            SourceFile("good.fits", 1, 1): light(),
            SourceFile("undated.fits", 1, 1): light(DATE_OBS=None),
        }
    )
    result = scan(survey(), source, {})
    assert result.nights == ["2025-03-01"]
    codes = {f.path: [r.reason.code for r in f.rejections] for f in result.files}
    assert codes == {
        "dated.fits": ["no_exposure"],
        "gone.fits": ["file_unavailable"],
        "good.fits": [],
        "undated.fits": ["no_date"],
    }
    assert [path for path, _ in result.undated] == ["gone.fits", "undated.fits"]


def test_a_second_scan_of_a_folder_finds_nothing_new(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(light())
    profile = folder_survey(tmp_path)
    first = scan(profile, open_source(profile), {})
    known = {f.path: (f.size_bytes, f.mtime_ns) for f in first.files}
    second = scan(profile, open_source(profile), known)
    assert len(first.files) == 1
    assert second.files == ()
    assert second.unchanged == 1
