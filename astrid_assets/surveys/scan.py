"""Scanning: which nights the files of a source belong to.

Only files that are new or have changed are opened, and of these only the headers
count. Files of sources that know their nights are not opened at all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.errors import Reason
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.facts import DoorRejection
from astrid_assets.surveys.fits.reader import read_headers
from astrid_assets.surveys.sources.base import FileUnavailable, FrameSource, SourceFile

if TYPE_CHECKING:
    from astrid_assets.surveys.profile import SurveyProfile

log = logging.getLogger(__name__)

Known = Mapping[str, tuple[int, int]]
"""Path → (size, mtime) of the files of earlier scans."""


@dataclass(frozen=True)
class ScannedFile:
    """A new or changed file: its nights, and what of it the reader refuses.

    `rejections` without a night belong to no partition and are only reported here.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    nights: tuple[str, ...]
    rejections: tuple[DoorRejection, ...] = ()


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
        return [
            (file.path, rejection)
            for file in self.files
            for rejection in file.rejections
            if not rejection.night
        ]


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
    """Read the headers of one file, unless its source knows the night."""
    if file.night is not None:
        return ScannedFile(file.path, file.size_bytes, file.mtime_ns, (file.night,))
    try:
        content = source.read(file.path)
    except FileUnavailable as error:
        unread = DoorRejection(hdu=-1, reason=Reason(ReasonCode.UNREADABLE, str(error)))
        return ScannedFile(file.path, file.size_bytes, file.mtime_ns, (), (unread,))
    found = read_headers(content, file.path, profile)
    return ScannedFile(
        file.path,
        file.size_bytes,
        file.mtime_ns,
        nights=tuple(sorted({entry.night for entry in found if entry.night})),
        rejections=tuple(e for e in found if isinstance(e, DoorRejection)),
    )
