"""Objects are immutable, named by their content, checked on the way out."""

from __future__ import annotations

import hashlib
import pickle
import threading
from typing import TYPE_CHECKING

import obstore
import pytest

from astrid_assets.storage.objects.client_store import ClientStore
from astrid_assets.storage.objects.object_store import (
    FolderObjectStore,
    ObjectStore,
    S3ObjectStore,
    open_object_store,
)
from astrid_assets.storage.objects.store_errors import (
    ObjectCorrupt,
    ObjectMissing,
    StoreError,
    StoreUnavailable,
)
from astrid_assets.storage.objects.verification import verify_objects

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

CONTENT = b"one small frame"
HASH = hashlib.sha256(CONTENT).hexdigest()[:32]


def test_a_key_is_the_prefix_the_hash_and_the_suffix(store: ObjectStore):
    key = store.put("raw/sim/2025-03-01/a", CONTENT, ".fits.fz")
    assert key == f"raw/sim/2025-03-01/a.{HASH}.fits.fz"
    assert store.get(key) == CONTENT


def test_what_was_put_is_listed_once_and_gone_after_delete(store: ObjectStore):
    key = store.put("raw/a", CONTENT, ".bin")
    assert store.put("raw/a", CONTENT, ".bin") == key
    other = store.put("processed/a", CONTENT, "")
    assert list(store.list()) == sorted([key, other])
    assert list(store.list("raw")) == [key]
    assert list(store.list("nothing/here")) == []
    store.delete(key)
    store.delete(key)
    assert not store.exists(key)
    assert store.exists(other)


def test_a_folder_is_not_confused_with_one_that_begins_alike(store: ObjectStore):
    store.put("raw/night1/a", CONTENT, "")
    store.put("raw/night10/a", CONTENT, "")
    assert list(store.list("raw/night1")) == [f"raw/night1/a.{HASH}"]


def test_a_second_put_writes_nothing(tmp_path: Path):
    store = FolderObjectStore(tmp_path)
    path = tmp_path / store.put("a", CONTENT, ".bin")
    before = path.stat()
    store.put("a", CONTENT, ".bin")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (
        before.st_mtime_ns,
        before.st_ino,
    )


def test_an_object_cut_short_by_a_power_failure_is_healed_by_putting_it_again(
    tmp_path: Path,
):
    store = FolderObjectStore(tmp_path)
    key = store.put("a", CONTENT, ".bin")
    (tmp_path / key).write_bytes(b"")
    store.put("a", CONTENT, ".bin")
    assert store.get(key) == CONTENT


def test_a_missing_object_is_told_with_its_key_and_a_remedy(store: ObjectStore):
    key = f"raw/a.{HASH}.fits"
    with pytest.raises(ObjectMissing, match=r"no object raw/a\..*--fix"):
        store.get(key)
    assert not store.exists(key)


def test_changed_bytes_are_noticed(tmp_path: Path):
    store = FolderObjectStore(tmp_path / "store")
    key = store.put("a", CONTENT, ".bin")
    (tmp_path / "store" / key).write_bytes(b"one smell frame")
    with pytest.raises(ObjectCorrupt, match="damaged"):
        store.get(key)
    target = tmp_path / "copy"
    with pytest.raises(ObjectCorrupt, match="damaged"):
        store.get_to_file(key, target)
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.slow
def test_a_large_file_goes_in_and_out_in_parts(
    store: ObjectStore, tmp_path: Path, rng: np.random.Generator
):
    source = tmp_path / "large"
    source.write_bytes(rng.bytes(20_000_003))
    key = store.put_file("datasets/x/images", source, ".npy")
    assert store.put("datasets/x/images", source.read_bytes(), ".npy") == key
    target = tmp_path / "copy"
    store.get_to_file(key, target)
    assert target.read_bytes() == source.read_bytes()


def test_an_empty_object_is_an_object(store: ObjectStore, tmp_path: Path):
    key = store.put("a", b"", ".bin")
    assert store.get(key) == b""
    store.get_to_file(key, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_store_travels_to_another_process_and_is_the_same_there(store: ObjectStore):
    key = store.put("a", CONTENT, "")
    copy = pickle.loads(pickle.dumps(store))  # noqa: S301  made one line above
    assert copy == store
    assert hash(copy) == hash(store)
    assert copy.get(key) == CONTENT


def test_a_working_store_passes_its_check_and_keeps_nothing_of_it(store: ObjectStore):
    store.check()
    assert list(store.list()) == []


@pytest.mark.slow
def test_eight_writers_of_one_object_make_one_object(store: ObjectStore):
    keys: list[str] = []
    threads = [
        threading.Thread(target=lambda: keys.append(store.put("a", CONTENT * 9999, "")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert list(store.list()) == [keys[0]]
    assert store.get(keys[0]) == CONTENT * 9999


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        ".",
        "a/.hidden",
        "a b",
        "a\\b",
        "a\nb",
        "ü",
        "a#1",
        "x" * 300,
    ],
)
def test_a_prefix_that_could_leave_the_store_is_refused(prefix: str, store: ObjectStore):
    with pytest.raises(ValueError, match="no prefix of a key"):
        store.put(prefix, CONTENT, ".bin")
    for ask in (store.get, store.exists, store.delete):
        with pytest.raises(ValueError, match="no prefix of a key"):
            ask(f"{prefix}.{HASH}.bin")


@pytest.mark.parametrize("key", ["a.bin", "../../etc/passwd", f"a.{HASH}.bin\n", HASH])
def test_what_holds_no_hash_is_no_key(key: str, store: ObjectStore):
    with pytest.raises(ValueError, match="no key of an object"):
        store.get(key)


def test_a_suffix_that_is_a_path_is_refused(store: ObjectStore):
    with pytest.raises(ValueError, match="suffix"):
        store.put("a", CONTENT, ".bin/../../x")


def test_an_address_decides_the_kind_of_store(tmp_path: Path):
    for url in (tmp_path, str(tmp_path), tmp_path.as_uri()):
        store = open_object_store(url)
        assert isinstance(store, FolderObjectStore)
        assert store.root == tmp_path
    s3 = open_object_store("s3://bucket/deep/prefix", access_key="a", secret_key="b")
    assert isinstance(s3, S3ObjectStore)
    assert (s3.bucket, s3.prefix, s3.region) == ("bucket", "deep/prefix", "auto")


def test_a_path_with_a_space_and_a_percent_sign_is_a_folder(tmp_path: Path):
    folder = tmp_path / "my store 100%"
    store = open_object_store(folder.as_uri())
    key = store.put("a", CONTENT, "")
    assert (folder / key).read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["", "gs://bucket", "http://host/x", "s3://", "s3:///x"])
def test_an_address_of_something_else_is_refused(url: str):
    with pytest.raises(StoreUnavailable, match="ASTRID_STORE_URL"):
        open_object_store(url)


def test_a_file_that_changes_while_it_is_stored_is_refused(tmp_path: Path):
    source = tmp_path / "growing"
    source.write_bytes(CONTENT)

    class WhileWriting(FolderObjectStore):
        def _settle(self, key: str) -> None:
            source.write_bytes(CONTENT + b"more")

    store = WhileWriting(tmp_path / "store")
    with pytest.raises(StoreError, match="changed while it was stored"):
        store.put_file("a", source, "")
    assert list(store.list()) == []


def overwritten(store: ObjectStore, key: str, content: bytes) -> None:
    """Put other bytes under a key, as a failing disk does."""
    assert isinstance(store, ClientStore)
    obstore.put(store._connect(), key, content)


def test_a_verifying_store_has_no_damaged_object_and_writes_it_again(store: ObjectStore):
    key = store.put("a", CONTENT, ".bin")
    overwritten(store, key, b"one smell frame")
    assert store.put("a", CONTENT, ".bin") == key
    assert store.exists(key)
    with pytest.raises(ObjectCorrupt):
        store.verify(key)
    verifying = store.verifying()
    assert not verifying.exists(key)
    assert verifying.put("a", CONTENT, ".bin") == key
    assert verifying.exists(key)
    store.verify(key)


def test_a_store_is_empty_until_something_is_put(store: ObjectStore):
    assert store.is_empty()
    store.check()
    assert store.is_empty()
    store.put("a", CONTENT, ".bin")
    assert not store.is_empty()


@pytest.mark.slow
def test_every_object_is_verified_in_its_order(store: ObjectStore):
    keys = [store.put(f"a{n}", bytes([n]) * 9, ".bin") for n in range(40)]
    overwritten(store, keys[3], b"x")
    store.delete(keys[39])
    found = dict(verify_objects(store, [*keys, "no key"]))
    assert list(found) == [*keys, "no key"]
    wrong = {key: type(problem) for key, problem in found.items() if problem}
    assert wrong == {keys[3]: ObjectCorrupt, keys[39]: ObjectMissing, "no key": ValueError}
