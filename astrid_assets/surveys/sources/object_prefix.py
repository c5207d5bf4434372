"""Frames below a prefix of an object store (S3, R2, or a ``file://`` folder)."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from astrid_assets.surveys.sources.base import (
    FileUnavailable,
    SourceFile,
    SourceOptions,
    SourceUnavailable,
    is_wanted,
    name_problem,
    shown_name,
)
from astrid_assets.surveys.sources.regular_file import refusal, size_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from astrid_assets.science.errors import Reason
    from astrid_assets.surveys.profile_sources import ObjectPrefixSource

RETRIES: Mapping[str, int] = {"max_retries": 3}


class ObjectPrefixFrames:
    """The FITS objects below a prefix; the client is built when first used."""

    def __init__(
        self,
        source: ObjectPrefixSource,
        options: SourceOptions,
        max_file_bytes: float = math.inf,
    ) -> None:
        self._source = source
        self._max_file_bytes = max_file_bytes
        self._options = options
        self._client: S3Store | LocalStore | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave the client behind: connections do not travel between processes."""
        return {**self.__dict__, "_client": None}

    def files(self) -> Iterator[SourceFile]:
        """Yield the objects in the order of their keys."""
        yield from sorted(self._listed(), key=lambda file: file.path)

    def read(self, path: str) -> bytes:
        """Return the content of an object below the prefix."""
        if ".." in path.split("/") or path.startswith("/"):
            raise FileUnavailable(f"{path!r} is not a key below {self._source.url}")
        try:
            answer = self._store().get(path)
            size = answer.meta["size"]
            if size > self._max_file_bytes:
                raise refusal(size_problem(size, path, self._max_file_bytes))
            return bytes(answer.bytes())
        except (BaseError, OSError) as error:
            raise FileUnavailable(
                f"{path} cannot be read from {self._source.url} "
                f"({_first_line(error)}); check that it still exists and that the "
                "credentials may read it"
            ) from error

    def open(self, path: str) -> BinaryIO:
        """Return an object as an open file."""
        return io.BytesIO(self.read(path))

    def check(self) -> None:
        """Raise `SourceUnavailable` if nothing can be listed below the prefix."""
        if next(iter(self._listed()), None) is None:
            raise SourceUnavailable(
                f"no object below {self._source.url} is named like "
                f"{', '.join(self._source.patterns)}; check source.url and "
                "source.patterns"
            )

    def _listed(self) -> Iterator[SourceFile]:
        try:
            for page in self._store().list():
                for entry in page:
                    path = entry["path"]
                    if is_wanted(path, self._source.patterns, self._source.exclude):
                        changed = entry["last_modified"].timestamp()
                        yield SourceFile(
                            shown_name(path),
                            entry["size"],
                            int(changed * 1e6) * 1000,
                            problem=self._problem(path, entry["size"]),
                        )
        except (BaseError, OSError) as error:
            raise SourceUnavailable(
                f"{self._source.url} cannot be listed ({_first_line(error)}); check "
                "the bucket's name, ASTRID_S3_ENDPOINT, AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            ) from error

    def _problem(self, path: str, size: int) -> Reason | None:
        if size > self._max_file_bytes:
            return size_problem(size, shown_name(path), self._max_file_bytes)
        return name_problem(path)

    def _store(self) -> S3Store | LocalStore:
        if self._client is None:
            self._client = _open(self._source.url, self._options)
        return self._client


def _open(url: str, options: SourceOptions) -> S3Store | LocalStore:
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if parts.scheme == "file":
        return LocalStore(prefix=f"/{prefix}")
    if parts.scheme != "s3" or not parts.netloc:
        raise SourceUnavailable(
            f"{url!r} is no address of an object store; write s3://bucket/prefix"
        )
    config: dict[str, str] = {"region": options.region or "auto"}
    if options.endpoint:
        config["endpoint"] = options.endpoint
    if options.access_key and options.secret_key:
        config["access_key_id"] = options.access_key
        config["secret_access_key"] = options.secret_key
    else:
        # A public bucket is read without a signature.
        config["skip_signature"] = "true"
    return S3Store(
        parts.netloc,
        prefix=prefix or None,
        config=config,  # pyright: ignore[reportArgumentType]  keys are S3Config's
        client_options={
            "allow_http": bool(options.endpoint) and str(options.endpoint).startswith("http://"),
            "connect_timeout": "10s",
            "timeout": "300s",
        },
        retry_config={"max_retries": RETRIES["max_retries"]},
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
