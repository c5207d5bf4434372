"""Frames in a folder of this machine, searched recursively."""

from __future__ import annotations

import logging
import math
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from astrid_assets.science.errors import Reason
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.sources.base import (
    FileUnavailable,
    SourceFile,
    SourceUnavailable,
    is_wanted,
    name_problem,
    shown_name,
)
from astrid_assets.surveys.sources.regular_file import entry_problem, open_regular, read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from astrid_assets.surveys.profile_sources import FolderSource

log = logging.getLogger(__name__)


class FolderFrames:
    """The FITS files below a folder; links to folders are followed once."""

    def __init__(self, source: FolderSource, max_file_bytes: float = math.inf) -> None:
        self._root = source.path.expanduser()
        self._patterns = source.patterns
        self._exclude = source.exclude
        self._max_file_bytes = max_file_bytes
        self._unread: list[SourceFile] = []

    def files(self) -> Iterator[SourceFile]:
        """Yield the files in the order of their paths; nothing is opened.

        Entries that cannot be frames (pipes, dead links, names that are no text, files
        and folders that may not be read) are among them, with their problem.
        """
        self._must_be_a_folder()
        self._unread = []
        found = [self._file(path) for path in self._paths()]
        yield from sorted([*found, *self._unread], key=lambda file: file.path)

    def read(self, path: str) -> bytes:
        """Return the content of a file of this folder."""
        with self.open(path) as file:
            return read_all(file, f"{path} in {self._root}", self._max_file_bytes)

    def open(self, path: str) -> BinaryIO:
        """Open a file of this folder, if it is a regular one and not too large."""
        parts = path.split("/")
        if ".." in parts or path.startswith("/") or not path.isprintable():
            raise FileUnavailable(f"{shown_name(path)!r} is not a path inside {self._root}")
        return open_regular(self._root / path, f"{path} in {self._root}", self._max_file_bytes)

    def check(self) -> None:
        """Raise `SourceUnavailable` if the folder holds no frames."""
        self._must_be_a_folder()
        if next(iter(self._paths()), None) is None:
            raise SourceUnavailable(
                f"the folder {self._root} holds no file named like "
                f"{', '.join(self._patterns)}; check source.path and source.patterns"
            )

    def _must_be_a_folder(self) -> None:
        remedy = "correct source.path in the survey's profile"
        if not self._root.exists():
            raise SourceUnavailable(f"the folder {self._root} does not exist; {remedy}")
        if not self._root.is_dir():
            raise SourceUnavailable(f"{self._root} is a file, not a folder; {remedy}")
        if not os.access(self._root, os.R_OK | os.X_OK):
            raise SourceUnavailable(
                f"the folder {self._root} may not be read by this user; change its permissions"
            )

    def _file(self, path: str) -> SourceFile:
        entry, name = self._root / path, shown_name(path)
        try:
            status = entry.lstat()
            size, mtime = status.st_size, status.st_mtime_ns
            if stat.S_ISLNK(status.st_mode) and entry.exists():
                status = entry.stat()
                size, mtime = status.st_size, status.st_mtime_ns
        except OSError:
            # It was removed, or its folder closed, since it was listed.
            size, mtime = 0, 0
        problem = name_problem(path) or entry_problem(entry, name, self._max_file_bytes)
        if problem is not None:
            log.warning("%s is refused: %s", name, problem.message)
        return SourceFile(name, size, mtime, problem=problem)

    def _paths(self) -> Iterator[str]:
        seen: set[str] = set()
        walk = os.walk(self._root, followlinks=True, onerror=self._note_closed_folder)
        for folder, subfolders, names in walk:
            # A link to a parent would make the walk endless.
            real = os.path.realpath(folder)
            if real in seen:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders[:] = sorted(d for d in subfolders if not d.startswith("."))
            paths = [_relative(folder, name, self._root) for name in sorted(names)]
            wanted = [path for path in paths if is_wanted(path, self._patterns, self._exclude)]
            yield from wanted
            if not subfolders and not wanted and folder != str(self._root):
                # A folder that is called like a file, and holds none.
                path = _relative(folder, "", self._root)
                if is_wanted(path, self._patterns, self._exclude):
                    yield path

    def _note_closed_folder(self, error: OSError) -> None:
        path = _relative(str(error.filename), "", self._root)
        message = f"the folder {shown_name(path)} cannot be read ({error.strerror})"
        log.warning("%s", message)
        problem = Reason(
            ReasonCode.FILE_UNAVAILABLE,
            f"{message}; change its permissions, or name it in source.exclude",
        )
        self._unread.append(SourceFile(shown_name(path), 0, 0, problem=problem))


def _relative(folder: str, name: str, root: Path) -> str:
    relative = os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118
    return relative.replace(os.sep, "/")
