"""Frames in a folder of this machine, searched recursively."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from astrid_assets.surveys.sources.base import (
    FileUnavailable,
    SourceFile,
    SourceUnavailable,
    is_wanted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from astrid_assets.surveys.profile_sources import FolderSource

log = logging.getLogger(__name__)


class FolderFrames:
    """The FITS files below a folder; links to folders are followed once."""

    def __init__(self, source: FolderSource) -> None:
        self._root = source.path.expanduser()
        self._patterns = source.patterns
        self._exclude = source.exclude

    def files(self) -> Iterator[SourceFile]:
        """Yield the files in the order of their paths."""
        self._must_be_a_folder()
        for path in sorted(self._paths()):
            try:
                status = (self._root / path).stat()
            except OSError as error:
                # A link to nowhere, or a file removed since it was listed.
                log.warning("%s is passed over: %s", path, error.strerror)
                continue
            yield SourceFile(path, status.st_size, status.st_mtime_ns)

    def read(self, path: str) -> bytes:
        """Return the content of a file of this folder."""
        parts = path.split("/")
        if ".." in parts or path.startswith("/"):
            raise FileUnavailable(f"{path!r} is not a path inside {self._root}")
        try:
            return (self._root / path).read_bytes()
        except OSError as error:
            raise FileUnavailable(
                f"{path} in {self._root} cannot be read ({error.strerror}); "
                "check that it still exists and that you may read it"
            ) from error

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

    def _paths(self) -> Iterator[str]:
        seen: set[str] = set()
        for folder, subfolders, names in os.walk(self._root, followlinks=True, onerror=_warn):
            # A link to a parent would make the walk endless.
            real = os.path.realpath(folder)
            if real in seen:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders[:] = sorted(d for d in subfolders if not d.startswith("."))
            for name in sorted(names):
                path = _relative(folder, name, self._root)
                if not is_wanted(path, self._patterns, self._exclude):
                    continue
                if not path.isprintable():
                    log.warning(
                        "%r is passed over: its name is not valid text; rename it",
                        path,
                    )
                    continue
                yield path


def _relative(folder: str, name: str, root: Path) -> str:
    relative = os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118
    return relative.replace(os.sep, "/")


def _warn(error: OSError) -> None:
    log.warning("%s is passed over: %s", error.filename, error.strerror)
