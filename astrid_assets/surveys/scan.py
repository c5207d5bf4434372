"""Scanning: which nights the files of a source belong to.

Only files that are new or have changed are opened, and of these only the headers
count. Files of sources that know their nights are not opened at all.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from astrid_assets.surveys.fits.facts import DoorRejection
from astrid_assets.surveys.fits.reader import read_headers
from astrid_assets.surveys.sources.base import FileUnavailable, FrameSource, SourceFile

if TYPE_CHECKING:
    from astrid_assets.surveys.profile import SurveyProfile

log = logging.getLogger(__name__)

HASHED_BYTES = 1 << 22
"""Read at a time where a file is hashed but not kept."""

Known = Mapping[str, tuple[int, int]]
"""Path → (size, mtime) of the files of earlier scans."""


@dataclass(frozen=True)
class ScannedFile:
    """A new or changed file: its nights, and what of it the reader refuses.

    `rejections` without a night belong to no partition; where there are any, `sha256` is
    that of the file, or empty where the file could not be read.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    nights: tuple[str, ...]
    rejections: tuple[DoorRejection, ...] = ()
    sha256: str = ""

    @property
    def undated(self) -> list[DoorRejection]:
        """The rejections that belong to no night."""
        return [rejection for rejection in self.rejections if not rejection.night]


@dataclass(frozen=True)
class ScanResult:
    """What a scan found; `gone` are known paths that the source no longer has."""

    files: tuple[ScannedFile, ...]
    unchanged: int
    gone: tuple[str, ...]

    @property
    def nights(self) -> list[str]:
        """The nights that have new or changed files, in order."""
        return sorted({night for file in self.files for night in file.nights})

    @property
    def undated(self) -> list[tuple[str, DoorRejection]]:
        """The rejections that belong to no night, with their paths."""
        return [(file.path, rejection) for file in self.files for rejection in file.undated]


def scan(profile: SurveyProfile, source: FrameSource, known: Known) -> ScanResult:
    """Find new and changed files and the nights they belong to.

    Raises
    ------
    SourceUnavailable
        If the source as a whole cannot be listed; single files that cannot be
        read are rejections.
    """
    scanned: list[ScannedFile] = []
    unchanged = 0
    listed: set[str] = set()
    for file in source.files():
        listed.add(file.path)
        if known.get(file.path) == (file.size_bytes, file.mtime_ns):
            unchanged += 1
            continue
        scanned.append(scan_file(profile, source, file))
    gone = tuple(sorted(set(known) - listed))
    log.info(
        "%s: %d new or changed files, %d unchanged, %d gone",
        profile.name,
        len(scanned),
        unchanged,
        len(gone),
    )
    return ScanResult(tuple(scanned), unchanged, gone)


def scan_file(profile: SurveyProfile, source: FrameSource, file: SourceFile) -> ScannedFile:
    """Read the headers of one file, unless its source knows the night.

    A file that its source calls unreadable is not opened; of the others no pixel is
    read where a source can seek.
    """
    scanned = ScannedFile(file.path, file.size_bytes, file.mtime_ns, ())
    if file.problem is not None:
        return replace(scanned, rejections=(DoorRejection(hdu=-1, reason=file.problem),))
    if file.night is not None:
        return replace(scanned, nights=(file.night,))
    sha256 = ""
    try:
        with source.open(file.path) as opened, reading_errors(file.path):
            found = read_headers(opened, file.path, profile)
            if not all(entry.night for entry in found):
                # Its rejection has no night, so nobody comes back to the file.
                sha256 = sha256_of(opened)
    except FileUnavailable as error:
        unread = DoorRejection(hdu=-1, reason=error.reason)
        return replace(scanned, rejections=(unread,))
    return replace(
        scanned,
        nights=tuple(sorted({entry.night for entry in found if entry.night})),
        rejections=tuple(e for e in found if isinstance(e, DoorRejection)),
        sha256=sha256,
    )


@contextmanager
def reading_errors(path: str) -> Iterator[None]:
    """Turn what a disk reports in the middle of a file into `FileUnavailable`."""
    try:
        yield
    except OSError as error:
        raise FileUnavailable(
            f"{path} cannot be read to its end ({error.strerror or error}); copy it again"
        ) from error


def sha256_of(file: BinaryIO) -> str:
    """Return the SHA-256 of an open file, reading it piece by piece."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(HASHED_BYTES):
        digest.update(piece)
    return digest.hexdigest()
