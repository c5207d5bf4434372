"""Frames of an HTTP archive, named one by one in a manifest.

Only ``http`` and ``https`` are followed, and to public addresses; answers are limited in
size and time, and a promised SHA-256 is checked: an archive is not trusted.
"""

from __future__ import annotations

import csv
import hashlib
import http.client
import io
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin, urlsplit

from astrid_assets.outgoing import InternalAddress, outgoing
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.sources.base import FileUnavailable, SourceFile, SourceUnavailable
from astrid_assets.surveys.sources.regular_file import read_regular

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from astrid_assets.surveys.profile_sources import ArchiveSource

NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
ATTEMPTS = 3
WAIT_S = 0.5
MANIFEST_MB = 64
CHUNK = 1 << 20
NETWORK_ERRORS = (urllib.error.URLError, http.client.HTTPException, OSError)


@dataclass(frozen=True)
class _Row:
    url: str
    night: str
    sha256: str


class ArchiveFrames:
    """The files a manifest names; the manifest is read when first needed."""

    def __init__(self, source: ArchiveSource, internal_hosts: Collection[str] = ()) -> None:
        self._source = source
        self._opener = outgoing(internal_hosts)
        self._rows: dict[str, _Row] | None = None

    def files(self) -> Iterator[SourceFile]:
        """Yield the files in the order of their paths, with their nights."""
        for path, row in sorted(self._manifest().items()):
            # The archive's sizes are unknown before the download; a changed
            # promise of content must still be noticed.
            mark = int(row.sha256[:12], 16) if row.sha256 else 0
            yield SourceFile(path, 0, mark, row.night)

    def read(self, path: str) -> bytes:
        """Download a file of the manifest and check what was promised."""
        row = self._manifest().get(path)
        if row is None:
            raise FileUnavailable(f"{path} is not in {self._source.manifest}")
        try:
            content = self._download(row.url, self._source.max_file_mb)
        except InternalAddress as error:
            raise FileUnavailable(f"{row.url} is not downloaded: {error}") from error
        except NETWORK_ERRORS as error:
            raise FileUnavailable(
                f"{row.url} cannot be downloaded ({error}); try again later or correct the manifest"
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if row.sha256 and found != row.sha256:
            raise FileUnavailable(
                f"{row.url} has the SHA-256 {found[:12]}…, the manifest promises "
                f"{row.sha256[:12]}…: the file changed or was damaged on its way"
            )
        return content

    def open(self, path: str) -> BinaryIO:
        """Return the content of a file, wrapped so that it reads like an open file."""
        return io.BytesIO(self.read(path))

    def check(self) -> None:
        """Raise `SourceUnavailable` if the manifest is unusable or empty."""
        if not self._manifest():
            raise SourceUnavailable(
                f"the manifest {self._source.manifest} names no file; it needs the "
                "columns url and night and at least one line"
            )

    def _manifest(self) -> dict[str, _Row]:
        if self._rows is None:
            self._rows = _parse(self._manifest_text(), self._source.manifest)
        return self._rows

    def _manifest_text(self) -> str:
        address = self._source.manifest
        try:
            if urlsplit(address).scheme in ("http", "https"):
                content = self._download(address, MANIFEST_MB)
            else:
                path = Path(address).expanduser()
                content = read_regular(path, path.name, MANIFEST_MB << 20)
            return content.decode("utf-8-sig")
        except InternalAddress as error:
            raise SourceUnavailable(f"the manifest {address} is not read: {error}") from error
        except (*NETWORK_ERRORS, UnicodeDecodeError, FileUnavailable) as error:
            raise SourceUnavailable(
                f"the manifest {address} cannot be read ({error}); check "
                "source.manifest and the network"
            ) from error

    def _download(self, url: str, max_mb: int) -> bytes:
        for attempt in range(ATTEMPTS):
            try:
                return self._download_once(url, max_mb)
            except urllib.error.HTTPError as error:
                # 4xx will not change by asking again; 429 means: later.
                error.close()
                if (error.code < 500 and error.code != 429) or _is_last(attempt):
                    raise
            except (OSError, http.client.HTTPException):
                if _is_last(attempt):
                    raise
            time.sleep(WAIT_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _download_once(self, url: str, max_mb: int) -> bytes:
        limit = max_mb << 20
        request = urllib.request.Request(url, headers={"User-Agent": "astrid"})  # noqa: S310  _parse admits http(s) only
        with self._opener.open(request, timeout=self._source.timeout_s) as answer:
            promised = int(answer.headers.get("Content-Length") or 0)
            content = bytearray()
            while chunk := answer.read(CHUNK):
                content += chunk
                if len(content) > limit:
                    raise FileUnavailable(
                        f"{url} is larger than {max_mb} MB; raise source.max_file_mb "
                        "if that is right",
                        ReasonCode.TOO_LARGE,
                    )
        if len(content) < promised:
            raise ConnectionError(f"got {len(content)} of {promised} bytes")
        return bytes(content)


def _parse(text: str, manifest: str) -> dict[str, _Row]:
    """Return the rows by path; every bad line is named with its number."""
    reader = csv.DictReader(text.splitlines())
    missing = {"url", "night"} - set(reader.fieldnames or ())
    if missing:
        raise SourceUnavailable(
            f"the manifest {manifest} has no column {' and '.join(sorted(missing))}; "
            "its first line must read url,night or url,night,sha256"
        )
    rows: dict[str, _Row] = {}
    for line in reader:
        where = f"line {reader.line_num} of {manifest}"
        row = _row(line, manifest, where)
        parts = urlsplit(row.url)
        path = f"{parts.netloc}{parts.path}" + (f"?{parts.query}" * bool(parts.query))
        if path in rows:
            raise SourceUnavailable(f"{where} names {row.url} a second time; remove it")
        rows[path] = row
    return rows


def _row(line: dict[str, str | None], manifest: str, where: str) -> _Row:
    url = urljoin(manifest, (line.get("url") or "").strip())
    night = (line.get("night") or "").strip()
    sha256 = (line.get("sha256") or "").strip().lower()
    if urlsplit(url).scheme not in ("http", "https"):
        raise SourceUnavailable(f"{where}: {url!r} is no http or https address")
    if not url.isprintable():
        raise SourceUnavailable(f"{where}: {url!r} holds characters that cannot be printed")
    if not NIGHT.fullmatch(night):
        raise SourceUnavailable(f"{where}: the night {night!r} is not YYYY-MM-DD")
    if sha256 and not SHA256.fullmatch(sha256):
        raise SourceUnavailable(f"{where}: {sha256!r} is no SHA-256 (64 hex digits)")
    return _Row(url, night, sha256)


def _is_last(attempt: int) -> bool:
    return attempt == ATTEMPTS - 1
