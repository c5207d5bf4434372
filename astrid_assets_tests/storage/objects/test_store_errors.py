"""Every way in which a store fails has a message that says what to do."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import traceback
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from obstore.exceptions import GenericError

from astrid_assets.storage.objects.object_store import FolderObjectStore, S3ObjectStore
from astrid_assets.storage.objects.store_errors import ObjectMissing, StoreUnavailable, store_error
from astrid_assets_tests.storage.conftest import s3_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import LocalStore

    from astrid_assets_tests.services import S3Server

SECRET = "the-secret-nobody-may-see"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (28, "disk is full"),
        (30, "read-only"),
        (13, "no permission"),
        (1, "no permission"),
        (20, "is a file"),
        (5, "check it"),
    ],
)
def test_the_number_of_a_disk_error_decides_the_remedy(number: int, remedy: str):
    error = GenericError(
        "Generic LocalFileSystem error: Unable to copy data to file: some words "
        f"(os error {number})\n\nDebug source: pages of it"
    )
    told_error = store_error(error, "/data/store", "a")
    assert isinstance(told_error, StoreUnavailable)
    assert remedy in str(told_error)
    assert "Debug source" not in str(told_error)


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_no_half_object(tmp_path: Path):
    # A limit on file sizes stops a write half-way, as a full disk does.
    script = textwrap.dedent(
        f"""
        import resource, signal
        from pathlib import Path
        from astrid_assets.storage.objects.object_store import FolderObjectStore
        from astrid_assets.storage.objects.store_errors import StoreUnavailable
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = FolderObjectStore(Path({str(tmp_path)!r}))
        kept = store.put("small", b"x" * 1000, "")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        for size in (200_000, 20_000_000):
            try:
                store.put("large", b"x" * size, "")
            except StoreUnavailable as error:
                print(error)
        assert list(store.list()) == [kept]
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("takes no file of this size") == 2
    assert [path.name[:5] for path in tmp_path.rglob("*") if path.is_file()] == ["small"]


class FullDisk(FolderObjectStore):
    """A folder whose disk is full: the client raises what it raises then."""

    def _connect(self) -> LocalStore:
        raise OSError(28, "No space left on device", str(self.root))


def test_a_full_disk_is_told_with_the_remedy(tmp_path: Path):
    with pytest.raises(StoreUnavailable, match=r"disk is full.*ASTRID_STORE_URL"):
        FullDisk(tmp_path).check()


def test_a_folder_below_a_file_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable, match="is a file"):
        FolderObjectStore(tmp_path / "file" / "store").check()
    with pytest.raises(StoreUnavailable, match="is a file"):
        FolderObjectStore(tmp_path / "file").check()


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path):
    folder = tmp_path / "store"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        (folder / "x").touch()
    except PermissionError:
        with pytest.raises(StoreUnavailable, match=r"no permission.*ASTRID_STORE_URL"):
            FolderObjectStore(folder).check()
    else:
        # The superuser may write everywhere; the kernel's own folders refuse even it.
        with pytest.raises(StoreUnavailable, match="ASTRID_STORE_URL"):
            FolderObjectStore(Path("/proc/astrid")).check()
    finally:
        folder.chmod(0o700)


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_told_without_the_secret():
    store = S3ObjectStore(
        "s3://bucket/x",
        endpoint="http://127.0.0.1:9",
        access_key="key",
        secret_key=SECRET,
    )
    with pytest.raises(StoreUnavailable, match="ASTRID_S3_ENDPOINT") as caught:
        store.check()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(store)


@pytest.mark.slow
def test_a_host_that_does_not_exist_is_told():
    store = S3ObjectStore(
        "s3://bucket", endpoint="http://nowhere.invalid", access_key="k", secret_key="s"
    )
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.exists(f"a.{'0' * 32}")


@pytest.mark.parametrize(
    "endpoint", ["localhost:9000", "no address", "https://user:pw@host", "ftp://host"]
)
def test_an_endpoint_that_is_no_address_is_refused_at_once(endpoint: str):
    with pytest.raises(StoreUnavailable, match="ASTRID_S3_ENDPOINT") as caught:
        S3ObjectStore("s3://bucket", endpoint=endpoint, access_key="k", secret_key="s")
    assert "pw" not in str(caught.value)


def test_half_of_the_credentials_is_refused_at_once():
    with pytest.raises(StoreUnavailable, match="AWS_SECRET_ACCESS_KEY is missing"):
        S3ObjectStore("s3://bucket", access_key="k")


def test_a_secret_inside_the_address_is_refused_and_not_repeated():
    with pytest.raises(StoreUnavailable, match="AWS_SECRET_ACCESS_KEY") as caught:
        S3ObjectStore(f"s3://key:{SECRET}@bucket/x")
    assert SECRET not in str(caught.value)


def test_a_bucket_that_does_not_exist_is_told(s3_server: S3Server):
    store = S3ObjectStore(
        "s3://no-such-bucket/x",
        endpoint=s3_server.endpoint,
        access_key="k",
        secret_key="s",
    )
    with pytest.raises(StoreUnavailable, match=r"no-such-bucket.* does not exist"):
        store.check()


@pytest.fixture
def strict_server(s3_server: S3Server) -> Iterator[S3Server]:
    """An S3 server that looks at credentials."""

    def let_through(requests: str) -> None:
        request = urllib.request.Request(  # noqa: S310  our own server
            f"{s3_server.endpoint}/moto-api/reset-auth",
            data=requests.encode(),
            headers={"Content-Type": "text/plain"},
            method="POST",
        )
        with urllib.request.urlopen(request):  # noqa: S310  our own server
            return

    let_through("0")
    yield s3_server
    let_through("inf")


def test_wrong_credentials_are_told_without_the_secret(strict_server: S3Server):
    store = s3_store(strict_server)
    with pytest.raises(StoreUnavailable, match="AWS_SECRET_ACCESS_KEY") as caught:
        store.check()
    assert "access refused" in str(caught.value)
    assert strict_server.secret_key not in "".join(traceback.format_exception(caught.value))


def test_a_missing_object_survives_the_way_between_processes():
    error = ObjectMissing("a.b", "/store")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  made one line above
    assert str(copy) == str(error)
    assert copy.key == "a.b"
