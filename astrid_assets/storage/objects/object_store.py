"""Where bytes are kept: immutable objects whose key holds the hash of their content.

A key is ``<prefix>.<first 32 hex digits of the SHA-256><suffix>``. Putting the same
bytes again changes nothing, nothing is ever overwritten by something else, and what
is read is checked against its key. Prefixes come from `layout`; what goes wrong is
reported by `store_errors`. One client library serves folders and S3 (R2, Ceph, MinIO).
"""

from __future__ import annotations

import contextlib
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from obstore.store import LocalStore, S3Store

from astrid_assets.storage.objects.client_store import ClientStore
from astrid_assets.storage.objects.store_errors import ObjectCorrupt, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRIES = 4  # about three seconds of a server that stumbles
RETRY_TIMEOUT = timedelta(seconds=60)
CONNECT_TIMEOUT = timedelta(seconds=10)
READ_TIMEOUT = timedelta(seconds=60)


class ObjectStore(Protocol):
    """Keeps immutable bytes under keys that hold their hash."""

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        ...

    def verifying(self) -> ObjectStore:
        """Return the same store, for which damaged objects are not there.

        Whether an object is there is judged by its size elsewhere, which costs no
        reading; here `put` and `exists` read it and compare its hash.
        """
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

    def verify(self, key: str) -> None:
        """Read an object and compare its hash; raises ObjectMissing or ObjectCorrupt."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a folder-like prefix, sorted."""
        ...

    def is_empty(self) -> bool:
        """Say whether nothing is kept."""
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


class FolderObjectStore(ClientStore):
    """Objects as files below a folder, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = Path(root).expanduser().absolute()
        self.url = str(self.root)

    def _connect(self) -> LocalStore:
        self.root.mkdir(parents=True, exist_ok=True)
        return LocalStore(self.root)

    def _check_kind(self, key: str) -> None:
        # A pipe would be waited for, and a device never ends.
        with contextlib.suppress(OSError):  # the client says what is wrong
            if not stat.S_ISREG((self.root / key).stat().st_mode):
                raise ObjectCorrupt(
                    f"{key} in {self.url} is damaged: no file stands there; move what does "
                    "away, then `astrid doctor --verify --fix` makes it again"
                )

    def _settle(self, key: str) -> None:
        # The client renames a finished file into place but does not wait for the disk.
        path = self.root / key
        for target in (path, path.parent):
            handle = os.open(target, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


class S3ObjectStore(ClientStore):
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
        if bool(access_key) != bool(secret_key):
            raise StoreUnavailable(
                "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is missing: set both or neither"
            )
        self.bucket = parts.netloc
        self.prefix = parts.path.strip("/")
        self.url = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        self.endpoint = _checked_endpoint(endpoint)
        self.region = region
        self._access = access_key or ""
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


def _checked_endpoint(endpoint: str | None) -> str | None:
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise StoreUnavailable(
            "ASTRID_S3_ENDPOINT must read https://host or http://host:port, without credentials"
        )
    return endpoint.rstrip("/")
