"""Sources: folders, object stores and archives, and what they say when they fail."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.profile_sources import ArchiveSource, FolderSource, ObjectPrefixSource
from astrid_assets.surveys.sources.base import (
    FileUnavailable,
    FrameSource,
    SourceFile,
    SourceOptions,
    SourceUnavailable,
)
from astrid_assets.surveys.sources.opening import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator


def opened(source: object, options: SourceOptions | None = None) -> FrameSource:
    profile = SurveyProfile.model_validate({"name": "test", "source": source})
    return open_source(profile, store_options=options)


def fill(root: Path) -> None:
    for path in (
        "b/two.FITS",
        "a/one.fits.fz",
        "three.fit",
        "._three.fit",
        "notes.txt",
        "old/four.fits",
        ".hidden/five.fits",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def paths_of(source: FrameSource) -> list[str]:
    return [file.path for file in source.files()]


def test_a_folder_yields_its_frames_in_order(tmp_path: Path) -> None:
    fill(tmp_path)
    source = opened(FolderSource(path=tmp_path, exclude=("old/*",)))
    source.check()
    files = list(source.files())
    assert [f.path for f in files] == ["a/one.fits.fz", "b/two.FITS", "three.fit"]
    status = (tmp_path / "three.fit").stat()
    assert files[2] == SourceFile("three.fit", status.st_size, status.st_mtime_ns)
    assert source.read("b/two.FITS") == b"b/two.FITS"


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "b" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone.fits").symlink_to(tmp_path / "nowhere")
    files = list(opened(FolderSource(path=tmp_path)).files())
    assert [file.path for file in files if file.problem is None] == [
        "a/one.fits.fz",
        "b/two.FITS",
        "old/four.fits",
        "three.fit",
    ]
    (dead,) = (file for file in files if file.problem is not None)
    assert dead.path == "gone.fits"


def test_a_name_that_is_no_text_is_refused_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.fits")).write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        (bad, *_) = (f for f in opened(FolderSource(path=tmp_path)).files() if f.problem)
    assert bad.path == "bad\\xff.fits"
    assert "rename the file" in caplog.text


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "a/../../x", "none.fits"])
def test_a_folder_gives_no_other_files(tmp_path: Path, path: str) -> None:
    fill(tmp_path)
    with pytest.raises(FileUnavailable):
        opened(FolderSource(path=tmp_path)).read(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [("missing", "does not exist"), ("file", "is a file"), ("empty", "holds no file")],
)
def test_a_folder_that_cannot_serve_says_why(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceUnavailable, match=says) as raised:
        opened(FolderSource(path=tmp_path / name)).check()
    assert "source.path" in str(raised.value)


def test_an_object_prefix_on_disk_behaves_like_a_folder(tmp_path: Path) -> None:
    fill(tmp_path)
    url = tmp_path.as_uri()
    source = opened(ObjectPrefixSource(kind="object_prefix", url=url, exclude=("old/*",)))
    source.check()
    files = list(source.files())
    assert [f.path for f in files] == ["a/one.fits.fz", "b/two.FITS", "three.fit"]
    assert [f.size_bytes for f in files] == [13, 10, 9]
    assert list(source.files()) == files, "times must not depend on the listing"
    assert source.read("three.fit") == b"three.fit"
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301  our own bytes
    assert copy.read("three.fit") == b"three.fit"
    with pytest.raises(FileUnavailable, match=r"none\.fits"):
        source.read("none.fits")
    with pytest.raises(FileUnavailable, match="not a key"):
        source.read("../x.fits")


@pytest.mark.slow
def test_an_s3_prefix_is_listed_and_read_with_credentials() -> None:
    boto3 = pytest.importorskip("boto3")
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        client.create_bucket(Bucket="frames")
        client.put_object(Bucket="frames", Key="raw/n1/a.fits", Body=b"abc")
        client.put_object(Bucket="frames", Key="other/b.fits", Body=b"x")
        client.close()
        options = SourceOptions(endpoint, "us-east-1", "key", "secret")
        assert "secret" not in repr(options)
        source = opened(ObjectPrefixSource(kind="object_prefix", url="s3://frames/raw"), options)
        source.check()
        (file,) = source.files()
        assert (file.path, file.size_bytes) == ("n1/a.fits", 3)
        assert file.mtime_ns > 0
        assert source.read("n1/a.fits") == b"abc"
        missing = ObjectPrefixSource(kind="object_prefix", url="s3://nothing/raw")
        with pytest.raises(SourceUnavailable, match="bucket's name"):
            opened(missing, options).check()
    finally:
        server.stop()


def test_an_address_that_is_no_store_says_so() -> None:
    source = ObjectPrefixSource(kind="object_prefix", url="ftp://host/frames")
    with pytest.raises(SourceUnavailable, match="s3://bucket/prefix"):
        opened(source).check()


class Archive(BaseHTTPRequestHandler):
    """Serves the class's files; counts requests, fails those asked to fail."""

    content: dict[str, bytes]
    failures: dict[str, int]
    redirects: dict[str, str]

    def do_GET(self) -> None:
        """Answer with the file, an error, or less than promised."""
        if self.failures.get(self.path, 0) > 0:
            self.failures[self.path] -= 1
            self.send_error(503)
            return
        if self.path in self.redirects:
            self.send_response(302)
            self.send_header("Location", self.redirects[self.path])
            self.end_headers()
            return
        body = self.content.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        promised = len(body) + 100 * ("cut" in self.path)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


@pytest.fixture
def archive() -> Iterator[str]:
    """Serve a small archive and return its address."""
    Archive.content = {
        "/f/a.fits": b"frame a",
        "/f/cut.fits": b"half",
        "/f/big": bytes(2 << 20),
    }
    Archive.failures, Archive.redirects = {}, {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def manifest(archive: str, *lines: str) -> FrameSource:
    Archive.content["/m.csv"] = "\n".join(["url,night,sha256", *lines]).encode()
    return opened(
        ArchiveSource(kind="archive", manifest=f"{archive}/m.csv", max_file_mb=1, timeout_s=5),
        SourceOptions(internal_hosts=("127.0.0.1",)),
    )


@pytest.mark.slow
def test_an_archive_inside_is_asked_only_where_its_host_is_named(
    archive: str, tmp_path: Path
) -> None:
    Archive.content["/m.csv"] = f"url,night\n{archive}/f/a.fits,2025-03-01".encode()
    inside = ArchiveSource(kind="archive", manifest=f"{archive}/m.csv", timeout_s=5)
    with pytest.raises(SourceUnavailable, match=r"not read: 127\.0\.0\.1.*ASTRID_INTERNAL_HOSTS"):
        opened(inside).check()
    # A file of this machine may list addresses; each is looked at when it is asked.
    local = tmp_path / "m.csv"
    local.write_bytes(Archive.content["/m.csv"])
    source = opened(ArchiveSource(kind="archive", manifest=str(local), timeout_s=5))
    with pytest.raises(FileUnavailable, match=r"not downloaded: 127\.0\.0\.1"):
        source.read(paths_of(source)[0])


@pytest.mark.slow
def test_an_archive_leads_nowhere_inside_by_a_redirect(archive: str) -> None:
    port = archive.rpartition(":")[2]
    source = manifest(archive, "f/moved.fits,2025-03-01,", "f/local.fits,2025-03-01,")
    Archive.redirects = {
        "/f/moved.fits": f"http://localhost:{port}/f/a.fits",
        "/f/local.fits": "file:///etc/hostname",
    }
    local, moved = paths_of(source)
    with pytest.raises(FileUnavailable, match="not downloaded: localhost is "):
        source.read(moved)
    with pytest.raises(FileUnavailable, match="cannot be downloaded"):
        source.read(local)


def test_an_archive_knows_its_nights_and_checks_its_files(archive: str) -> None:
    promised = hashlib.sha256(b"frame a").hexdigest()
    source = manifest(archive, f"f/a.fits,2025-03-01,{promised}")
    source.check()
    (file,) = source.files()
    assert file.night == "2025-03-01"
    assert file.path.endswith("/f/a.fits")
    assert source.read(file.path) == b"frame a"
    Archive.content["/f/a.fits"] = b"frame A"
    with pytest.raises(FileUnavailable, match="changed or was damaged"):
        source.read(file.path)


@pytest.mark.slow
def test_an_archive_is_asked_again_when_it_stumbles(archive: str) -> None:
    source = manifest(archive, "f/a.fits,2025-03-01,")
    Archive.failures["/f/a.fits"] = 1
    assert source.read(paths_of(source)[0]) == b"frame a"
    Archive.failures["/f/a.fits"] = 5
    with pytest.raises(FileUnavailable, match="503"):
        source.read(paths_of(source)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("f/none.fits", "404"),
        ("f/cut.fits", "4 of 104 bytes|IncompleteRead|bytes read"),
        ("f/big", "larger than 1 MB"),
    ],
)
def test_an_archive_file_that_fails_is_named(archive: str, name: str, says: str) -> None:
    source = manifest(archive, f"{name},2025-03-01,")
    with pytest.raises(FileUnavailable, match=says) as raised:
        source.read(paths_of(source)[0])
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("address,date\nx,y", "no column night and url"),
        ("url,night\nhttp://h/a.fits,yesterday", "line 2.*not YYYY-MM-DD"),
        ("url,night\nfile:///etc/passwd,2025-01-01", "no http or https"),
        ("url,night,sha256\nhttp://h/a,2025-01-01,abc", "no SHA-256"),
        ("url,night\nhttp://h/a,2025-01-01\nhttp://h/a,2025-01-02", "a second time"),
        ("url,night\n", "names no file"),
    ],
)
def test_a_manifest_with_a_mistake_names_it(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    source = opened(ArchiveSource(kind="archive", manifest=str(path)))
    with pytest.raises(SourceUnavailable, match=says):
        source.check()


def test_a_manifest_that_is_not_there_says_so(tmp_path: Path) -> None:
    source = opened(ArchiveSource(kind="archive", manifest=str(tmp_path / "no.csv")))
    with pytest.raises(SourceUnavailable, match=r"source\.manifest"):
        source.check()
