"""What is no file, too large or badly named is refused by name; nothing waits for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from astrid_assets.surveys.check.check import check_survey
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.scan import scan
from astrid_assets.surveys.sources.base import FileUnavailable, shown_name
from astrid_assets.surveys.sources.opening import open_source
from astrid_assets_tests.surveys.fits_files import light

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(30)


def folder(path: Path, kind: str = "folder") -> SurveyProfile:
    """Return a profile of a folder whose files may have 66 MB."""
    source = (
        {"kind": "folder", "path": path}
        if kind == "folder"
        else {"kind": "object_prefix", "url": path.as_uri()}
    )
    detector = {"max_megapixels": 0.25}
    return SurveyProfile.model_validate({"name": "test", "source": source, "detector": detector})


def make_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10**12)


def make_socket(path: Path) -> None:
    # Addresses of sockets are short; the folder is gone into instead.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(here)


ENTRIES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "pipe": (os.mkfifo, "not_a_file", "is a pipe"),
    "socket": (make_socket, "not_a_file", "is a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "not_a_file", "is a device"),
    "empty folder": (Path.mkdir, "not_a_file", "is a folder"),
    "dead link": (lambda path: path.symlink_to("nowhere.fits"), "not_a_file", "nowhere.fits"),
    "loop": (lambda path: path.symlink_to(path.name), "not_a_file", "link"),
    "sparse": (make_sparse, "too_large", "detector.max_megapixels"),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_an_entry_that_is_no_frame_is_refused_by_name_and_never_read(
    tmp_path: Path, kind: str
) -> None:
    make, code, says = ENTRIES[kind]
    make(tmp_path / "odd.fits")
    (tmp_path / "good.fits").write_bytes(light())
    profile = folder(tmp_path)
    source = open_source(profile)
    result = scan(profile, source, {})
    assert result.nights == ["2025-03-01"]
    ((path, rejection),) = result.undated
    assert (path, rejection.reason.code) == ("odd.fits", code)
    assert says in rejection.reason.message
    known = {file.path: (file.size_bytes, file.mtime_ns) for file in result.files}
    assert scan(profile, source, known).files == ()
    with pytest.raises(FileUnavailable):
        source.read("odd.fits")
    report = check_survey(profile, source, limit=1)
    assert [(path, reason.code) for path, _, reason in report.rejected] == [("odd.fits", code)]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"new\nline.fits", "new\\nline.fits"),
        (b"red\x1b[31m.fits", "red\\x1b[31m.fits"),
        (b"bad\xff.fits", "bad\\xff.fits"),
        (b"latin\xe9\\.fits", "latin\\xe9\\\\.fits"),
        ("right\u202eleft.fits".encode(), "right\\u202eleft.fits"),
    ],
)
def test_a_name_that_cannot_be_printed_is_refused_and_shown_escaped(
    tmp_path: Path, name: bytes, shown: str
) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(light())
    profile = folder(tmp_path)
    ((path, rejection),) = scan(profile, open_source(profile), {}).undated
    assert path == shown
    assert path.isprintable()
    assert rejection.reason.code == "bad_name"
    assert shown in rejection.reason.message
    path.encode("utf-8")


def test_names_of_other_scripts_and_brackets_are_fine(tmp_path: Path) -> None:
    names = ["Ünïcode ✨ 星.fits", "[bold]x[red].fits", "100%s {x}.fits"]
    for name in names:
        (tmp_path / name).write_bytes(light())
    profile = folder(tmp_path)
    result = scan(profile, open_source(profile), {})
    assert sorted(file.path for file in result.files) == sorted(names)
    assert result.undated == []
    assert all(shown_name(name) == name for name in names)


def test_a_large_object_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    make_sparse(tmp_path / "large.fits")
    (tmp_path / "good.fits").write_bytes(light())
    profile = folder(tmp_path, "object_prefix")
    source = open_source(profile)
    result = scan(profile, source, {})
    ((path, rejection),) = result.undated
    assert (path, rejection.reason.code) == ("large.fits", "too_large")
    with pytest.raises(FileUnavailable, match=r"detector\.max_megapixels"):
        source.read("large.fits")


def test_a_file_that_goes_between_listing_and_reading_is_a_rejection(tmp_path: Path) -> None:
    for name in ("a.fits", "b.fits", "c.fits"):
        (tmp_path / name).write_bytes(light())
    profile = folder(tmp_path)
    source = open_source(profile)
    listed = list(source.files())
    (tmp_path / "a.fits").unlink()
    os.truncate(tmp_path / "b.fits", 3000)

    class Listed:
        """The files as they were."""

        files = staticmethod(lambda: iter(listed))
        read, open, check = source.read, source.open, source.check

    found = {file.path: file for file in scan(profile, Listed(), {}).files}
    assert [r.reason.code for r in found["a.fits"].rejections] == ["file_unavailable"]
    assert [r.reason.code for r in found["b.fits"].rejections] == ["truncated"]
    assert found["c.fits"].nights == ("2025-03-01",)


def test_a_folder_called_like_a_file_is_searched(tmp_path: Path) -> None:
    (tmp_path / "night.fits").mkdir()
    (tmp_path / "night.fits" / "a.fits").write_bytes(light())
    profile = folder(tmp_path)
    result = scan(profile, open_source(profile), {})
    assert [file.path for file in result.files] == ["night.fits/a.fits"]
    assert result.undated == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "good.fits").write_bytes(light())
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        profile = folder(tmp_path)
        ((path, rejection),) = scan(profile, open_source(profile), {}).undated
    finally:
        closed.chmod(0o700)
    assert path == "closed"
    assert rejection.reason.code == "file_unavailable"
