"""Folders and files that nobody else on this machine may read.

The home holds accounts, logins and logs, so it is private, and with it all below it;
databases are private themselves, wherever they are. What is there already keeps its
permissions: others may read it on purpose (`astrid doctor` reports an open home).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = 0o077  # permission bits of group and others


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user only."""
    for missing in [*reversed(folder.parents), folder]:
        if not missing.is_dir():
            missing.mkdir(mode=0o700, exist_ok=True)


def make_private_file(file: Path) -> None:
    """Make an empty file for this user only, unless there is one.

    A file that is there is not opened: closing it would drop the locks by which SQLite
    keeps this process's other connections, and a second process that then closes the
    database takes itself for the last one and deletes a write-ahead log in use.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def is_open_to_others(path: Path) -> bool:
    """Return whether its permissions name anybody but its owner."""
    return bool(path.stat().st_mode & OTHERS)


def close_to_others(path: Path) -> None:
    """Leave the permissions of its owner only."""
    path.chmod(path.stat().st_mode & 0o7777 & ~OTHERS)
