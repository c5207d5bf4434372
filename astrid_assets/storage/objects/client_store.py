"""What folders and S3 share: hashes, checks and errors with a remedy around one client."""

from __future__ import annotations

import copy
import hashlib
import os
import uuid
from typing import TYPE_CHECKING, Self

import obstore

from astrid_assets.storage.objects.keys import HASH_DIGITS, check_prefix, content_key, hash_in
from astrid_assets.storage.objects.store_errors import (
    CLIENT_ERRORS,
    ObjectCorrupt,
    ObjectMissing,
    StoreError,
    StoreUnavailable,
    store_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from obstore.store import LocalStore, S3Store

CHUNK = 8 * 1024 * 1024  # bytes per read; also the part size of S3 uploads
LIST_CHUNK = 1000
PROBES = "check"


class ClientStore:
    """What folder and S3 share: keys, hashes and errors around one client."""

    url: str
    _secret: str = ""
    _verifies: bool = False
    """Whether an object is there only if its content is."""

    def __init__(self) -> None:
        self._client: tuple[int, LocalStore | S3Store] | None = None
        self._whole: set[str] = set()  # keys that were verified

    def _connect(self) -> LocalStore | S3Store:
        raise NotImplementedError

    def _check_kind(self, key: str) -> None:
        """Raise ObjectCorrupt where what stands under the key cannot be read at all."""

    def _settle(self, key: str) -> None:
        """Make a finished write survive a power failure, where that takes a call."""

    @property
    def _store(self) -> LocalStore | S3Store:
        # A client belongs to the process that made it.
        if self._client is None or self._client[0] != os.getpid():
            try:
                self._client = (os.getpid(), self._connect())
            except CLIENT_ERRORS as error:
                raise store_error(error, self.url, secret=self._secret) from error
        return self._client[1]

    def __getstate__(self) -> dict[str, object]:
        """Leave the client behind when travelling to another process."""
        return {**self.__dict__, "_client": None, "_whole": set()}

    def __eq__(self, other: object) -> bool:
        """Say whether both are the same store, reached the same way."""
        return isinstance(other, ClientStore) and self.__getstate__() == other.__getstate__()

    def __hash__(self) -> int:
        """Equal stores hash alike, so that caches work across copies."""
        return hash(self.url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def verifying(self) -> Self:
        """Return the same store, for which damaged objects are not there."""
        made = copy.copy(self)  # through `__getstate__`: without its client
        made.__dict__["_verifies"] = True
        return made

    def put(self, prefix: str, content: bytes, suffix: str) -> str:
        """Keep bytes and return their key; the same bytes again are a no-op."""
        key = content_key(prefix, hashlib.sha256(content).hexdigest(), suffix)
        if not self._holds(key, len(content)):
            try:
                obstore.put(self._store, key, content, chunk_size=CHUNK)
                self._settle(key)
            except CLIENT_ERRORS as error:
                raise self._told(error) from error
        return key

    def put_file(self, prefix: str, path: Path, suffix: str) -> str:
        """Keep a file without reading it into memory; returns its key."""
        digest, size = _digest(path)
        key = content_key(prefix, digest, suffix)
        if not self._holds(key, size):
            try:
                obstore.put(self._store, key, path, chunk_size=CHUNK)
                self._settle(key)
            except CLIENT_ERRORS as error:
                raise self._told(error) from error
            if _digest(path) != (digest, size):
                self.delete(key)
                raise StoreError(
                    f"{path} changed while it was stored; store it again once nothing writes to it"
                )
        return key

    def get(self, key: str) -> bytes:
        """Return the bytes, checked; raises ObjectMissing or ObjectCorrupt."""
        expected = hash_in(key)
        self._check_kind(key)
        try:
            content = obstore.get(self._store, key).bytes().to_bytes()
        except CLIENT_ERRORS as error:
            raise self._told(error, key) from error
        self._verify(key, expected, hashlib.sha256(content).hexdigest())
        return content

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the bytes to a file, which appears only once it is checked."""
        expected = hash_in(key)
        digest = hashlib.sha256()
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        try:
            with part.open("wb") as file:
                for chunk in self._stream(key):
                    digest.update(chunk)
                    file.write(chunk)
            self._verify(key, expected, digest.hexdigest())
            part.replace(path)
        except OSError as error:  # of the file here; the store's are raised already
            raise store_error(error, str(path.parent)) from error
        finally:
            part.unlink(missing_ok=True)

    def exists(self, key: str) -> bool:
        """Say whether something is kept under the key."""
        hash_in(key)
        return self._holds(key)

    def verify(self, key: str) -> None:
        """Read an object and compare its hash; raises ObjectMissing or ObjectCorrupt."""
        expected = hash_in(key)
        digest = hashlib.sha256()
        for chunk in self._stream(key):
            digest.update(chunk)
        self._verify(key, expected, digest.hexdigest())

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a folder-like prefix, sorted."""
        folder = prefix.rstrip("/")
        if folder:
            check_prefix(folder)
        try:
            found = [
                entry["path"]
                for batch in obstore.list(self._store, folder, chunk_size=LIST_CHUNK)
                for entry in batch
            ]
        except CLIENT_ERRORS as error:
            raise self._told(error) from error
        yield from sorted(found)

    def is_empty(self) -> bool:
        """Say whether nothing is kept, but for probes of `check`."""
        try:
            return not any(
                not entry["path"].startswith(f"{PROBES}/")
                for batch in obstore.list(self._store, chunk_size=LIST_CHUNK)
                for entry in batch
            )
        except CLIENT_ERRORS as error:
            raise self._told(error) from error

    def delete(self, key: str) -> None:
        """Forget an object; a missing one is no error."""
        hash_in(key)
        try:
            obstore.delete(self._store, key)
        except CLIENT_ERRORS as error:
            problem = self._told(error, key)
            if not isinstance(problem, ObjectMissing):
                raise problem from error

    def check(self) -> None:
        """Write, read and delete a small object; raises StoreUnavailable."""
        # Other content each time: two processes that check do not meet.
        key = self.put(f"{PROBES}/probe", uuid.uuid4().bytes, ".bin")
        try:
            self.get(key)
        except ObjectMissing as error:
            raise StoreUnavailable(
                f"{self.url} does not give back what was just written; check that it "
                "is one store with read-after-write consistency"
            ) from error
        finally:
            self.delete(key)

    def _holds(self, key: str, size: int | None = None) -> bool:
        """Say whether the object is there: by its size, or verifying by its content."""
        found = self._size(key)
        if found is None or (size is not None and found != size):
            return False
        if self._verifies and key not in self._whole:
            try:
                self.verify(key)
            except (ObjectCorrupt, ObjectMissing):
                return False
            self._whole.add(key)
        return True

    def _size(self, key: str) -> int | None:
        try:
            return obstore.head(self._store, key)["size"]
        except CLIENT_ERRORS as error:
            problem = self._told(error, key)
            if isinstance(problem, ObjectMissing):
                return None
            raise problem from error

    def _stream(self, key: str) -> Iterator[memoryview]:
        self._check_kind(key)
        try:
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=CHUNK):
                yield memoryview(chunk)
        except CLIENT_ERRORS as error:
            raise self._told(error, key) from error

    def _told(self, error: Exception, key: str = "") -> StoreError:
        return store_error(error, self.url, key, secret=self._secret)

    def _verify(self, key: str, expected: str, found: str) -> None:
        if found[:HASH_DIGITS] != expected:
            raise ObjectCorrupt(
                f"{key} in {self.url} is damaged: its content has the hash "
                f"{found[:HASH_DIGITS]}; check the disk, then `astrid doctor --verify --fix` "
                "makes it again"
            )


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()
