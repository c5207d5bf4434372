"""Where bytes are kept: immutable objects whose key holds the hash of their content.

A key is ``<prefix>.<first 32 hex digits of the SHA-256><suffix>``. Putting the same
bytes again changes nothing, nothing is ever overwritten by something else, and what
is read is checked against its key. Prefixes come from `layout`; what goes wrong is
told by `store_errors`. One client library serves folders and S3 (R2, Ceph, MinIO).
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, S3Store

from astrid_assets.storage.store_errors import (
    CLIENT_ERRORS,
    ObjectCorrupt,
    ObjectMissing,
    StoreError,
    StoreUnavailable,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HASH_DIGITS = 32  # of the SHA-256: 128 bits, no collision by chance
KEY = re.compile(r"\.([0-9a-f]{32})((?:\.[A-Za-z0-9]{1,16})*)$")
SEGMENT = re.compile(r"[A-Za-z0-9_+=-][A-Za-z0-9._+=-]{0,199}")
SUFFIX = re.compile(r"(?:\.[A-Za-z0-9]{1,16})*")
CHUNK = 8 * 1024 * 1024  # bytes per read; also the part size of S3 uploads
RETRIES = 4  # about three seconds of a server that stumbles
RETRY_TIMEOUT = timedelta(seconds=60)
CONNECT_TIMEOUT = timedelta(seconds=10)
READ_TIMEOUT = timedelta(seconds=60)
LIST_CHUNK = 1000


class ObjectStore(Protocol):
    """Keeps immutable bytes under keys that hold their hash."""

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        ...

    def put(self, prefix: str, content: bytes, suffix: str) -> str:
        """Keep bytes and return their key; the same bytes again are a no-op."""
        ...

    def put_file(self, prefix: str, path: Path, suffix: str) -> str:
        """Keep a file without reading it into memory; returns its key."""
        ...

    def get(self, key: str) -> bytes:
        """Return the bytes, checked; raises ObjectMissing or ObjectCorrupt."""
        ...

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the bytes to a file, which appears only once it is checked."""
        ...

    def exists(self, key: str) -> bool:
        """Say whether something is kept under the key."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a folder-like prefix, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Forget an object; a missing one is no error."""
        ...

    def check(self) -> None:
        """Write, read and delete a small object; raises StoreUnavailable."""
        ...


def open_object_store(
    url: str | Path,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
) -> ObjectStore:
    """Return the store at an address: a path or ``file://``, or ``s3://bucket/prefix``.

    Raises
    ------
    StoreUnavailable
        If the address is of another kind or incomplete.
    """
    text = str(url)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme == "s3":
        return S3ObjectStore(
            text,
            endpoint=endpoint,
            region=region or "auto",
            access_key=access_key,
            secret_key=secret_key,
        )
    if scheme == "file":
        return FolderObjectStore(Path(unquote(urlsplit(text).path)))
    if scheme or not text:
        raise StoreUnavailable(
            f"{text!r} is no address of a store: ASTRID_STORE_URL takes a folder or "
            "s3://bucket/prefix"
        )
    return FolderObjectStore(Path(text))


class _ClientStore:
    """What folder and S3 share: keys, hashes and errors around one client."""

    url: str
    _secret: str = ""

    def __init__(self) -> None:
        self._client: tuple[int, LocalStore | S3Store] | None = None

    def _connect(self) -> LocalStore | S3Store:
        raise NotImplementedError

    def _settle(self, key: str) -> None:
        """Make a finished write survive a power failure, where that takes a call."""

    @property
    def _store(self) -> LocalStore | S3Store:
        # A client belongs to the process that made it.
        if self._client is None or self._client[0] != os.getpid():
            try:
                self._client = (os.getpid(), self._connect())
            except CLIENT_ERRORS as error:
                raise told(error, self.url, secret=self._secret) from error
        return self._client[1]

    def __getstate__(self) -> dict[str, object]:
        """Leave the client behind when travelling to another process."""
        return {**self.__dict__, "_client": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def put(self, prefix: str, content: bytes, suffix: str) -> str:
        """Keep bytes and return their key; the same bytes again are a no-op."""
        key = key_of(prefix, hashlib.sha256(content).hexdigest(), suffix)
        if self._size(key) != len(content):
            try:
                obstore.put(self._store, key, content, chunk_size=CHUNK)
                self._settle(key)
            except CLIENT_ERRORS as error:
                raise self._told(error) from error
        return key

    def put_file(self, prefix: str, path: Path, suffix: str) -> str:
        """Keep a file without reading it into memory; returns its key."""
        digest, size = _digest(path)
        key = key_of(prefix, digest, suffix)
        if self._size(key) != size:
            try:
                obstore.put(self._store, key, path, chunk_size=CHUNK)
                self._settle(key)
            except CLIENT_ERRORS as error:
                raise self._told(error) from error
            if _digest(path) != (digest, size):
                self.delete(key)
                raise StoreError(
                    f"{path} changed while it was stored; store it again once "
                    "nothing writes to it"
                )
        return key

    def get(self, key: str) -> bytes:
        """Return the bytes, checked; raises ObjectMissing or ObjectCorrupt."""
        expected = hash_in(key)
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
            stream = self._stream(key)
            with part.open("wb") as file:
                for chunk in stream:
                    digest.update(chunk)
                    _write(file.write, chunk, path)
            self._verify(key, expected, digest.hexdigest())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def exists(self, key: str) -> bool:
        """Say whether something is kept under the key."""
        hash_in(key)
        return self._size(key) is not None

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a folder-like prefix, sorted."""
        folder = prefix.rstrip("/")
        if folder:
            _check_prefix(folder)
        try:
            found = [
                entry["path"]
                for batch in obstore.list(self._store, folder, chunk_size=LIST_CHUNK)
                for entry in batch
            ]
        except CLIENT_ERRORS as error:
            raise self._told(error) from error
        yield from sorted(found)

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
        key = self.put("check/probe", uuid.uuid4().bytes, ".bin")
        try:
            self.get(key)
        except ObjectMissing as error:
            raise StoreUnavailable(
                f"{self.url} does not give back what was just written; check that it "
                "is one store with read-after-write consistency"
            ) from error
        finally:
            self.delete(key)

    def _size(self, key: str) -> int | None:
        try:
            return obstore.head(self._store, key)["size"]
        except CLIENT_ERRORS as error:
            problem = self._told(error, key)
            if isinstance(problem, ObjectMissing):
                return None
            raise problem from error

    def _stream(self, key: str) -> Iterator[memoryview]:
        try:
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=CHUNK):
                yield memoryview(chunk)
        except CLIENT_ERRORS as error:
            raise self._told(error, key) from error

    def _told(self, error: Exception, key: str = "") -> StoreError:
        return told(error, self.url, key, secret=self._secret)

    def _verify(self, key: str, expected: str, found: str) -> None:
        if found[:HASH_DIGITS] != expected:
            raise ObjectCorrupt(
                f"{key} in {self.url} is damaged: its content has the hash "
                f"{found[:HASH_DIGITS]}; delete it, check the disk, and run its night "
                "again with --force"
            )


class FolderObjectStore(_ClientStore):
    """Objects as files below a folder, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = Path(root).expanduser().absolute()
        self.url = str(self.root)

    def _connect(self) -> LocalStore:
        self.root.mkdir(parents=True, exist_ok=True)
        return LocalStore(self.root)

    def _settle(self, key: str) -> None:
        # The client renames a finished file into place but does not wait for the disk.
        path = self.root / key
        for target in (path, path.parent):
            handle = os.open(target, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


class S3ObjectStore(_ClientStore):
    """Objects in a bucket of S3 or of something that speaks it (R2, Ceph, MinIO).

    Without keys the client looks where AWS clients look: environment, web identity,
    instance role.
    """

    def __init__(
        self,
        url: str,
        *,
        endpoint: str | None = None,
        region: str = "auto",
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        super().__init__()
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.hostname or "@" in parts.netloc:
            raise StoreUnavailable(
                "the address of the store must read s3://bucket/prefix "
                "(ASTRID_STORE_URL), with keys in AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            )
        if (access_key is None) != (secret_key is None):
            raise StoreUnavailable(
                "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is missing: set "
                "both or neither"
            )
        self.bucket = parts.netloc
        self.prefix = parts.path.strip("/")
        self.url = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        self.endpoint = _checked_endpoint(endpoint)
        self.region = region
        self._access = access_key
        self._secret = secret_key or ""

    def _connect(self) -> S3Store:
        config: dict[str, str] = {"region": self.region}
        if self.endpoint:
            config["endpoint"] = self.endpoint
        if self._access:
            config["access_key_id"] = self._access
            config["secret_access_key"] = self._secret
        return S3Store(
            self.bucket,
            prefix=self.prefix or None,
            config=config,  # type: ignore[arg-type]  # a TypedDict in its stubs
            client_options={
                "allow_http": bool(self.endpoint and self.endpoint[:5] == "http:"),
                "connect_timeout": CONNECT_TIMEOUT,
                "read_timeout": READ_TIMEOUT,
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_TIMEOUT},
        )


def key_of(prefix: str, sha256: str, suffix: str) -> str:
    """Return the key of content with this hash below a prefix.

    Raises
    ------
    ValueError
        If the prefix or suffix could leave the store or is not portable.
    """
    _check_prefix(prefix)
    if not SUFFIX.fullmatch(suffix):
        raise ValueError(f"{suffix!r} is no suffix of a key, like '.fits' or ''")
    return f"{prefix}.{sha256[:HASH_DIGITS]}{suffix}"


def hash_in(key: str) -> str:
    """Return the hash a key holds; ValueError when it is no key of ours."""
    found = KEY.search(key)
    if not found:
        raise ValueError(f"{key!r} is no key of an object: it holds no hash")
    _check_prefix(key[: found.start()])
    return found[1]


def _check_prefix(prefix: str) -> None:
    if not all(SEGMENT.fullmatch(part) for part in prefix.split("/")):
        raise ValueError(
            f"{prefix!r} is no prefix of a key: parts of letters, digits and ._+=-, "
            "separated by single slashes, none starting with a dot"
        )


def _checked_endpoint(endpoint: str | None) -> str | None:
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise StoreUnavailable(
            "ASTRID_S3_ENDPOINT must read https://host or http://host:port, without "
            "credentials"
        )
    return endpoint.rstrip("/")


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()
