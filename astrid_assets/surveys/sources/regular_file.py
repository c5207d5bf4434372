"""Files of this machine, opened with care: regular ones only, and none too large.

A pipe would wait for ever, a device never ends, and a sparse file fills the memory
with zeros; so an entry is judged by its status before anything is read from it, and
once more after it is opened.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from astrid_assets.science.errors import Reason
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.sources.base import FileUnavailable, shown_name

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


def open_regular(path: Path, name: str, max_bytes: float) -> BinaryIO:
    """Open a regular file for reading; never waits, and reads nothing.

    Parameters
    ----------
    name
        What messages call it.
    max_bytes
        A larger file is refused.

    Raises
    ------
    FileUnavailable
        If it is missing, may not be read, is no regular file or is too large.
    """
    try:
        # Opening a device may already do something, so its status comes first.
        _must_be_fine(os.stat(path), name, max_bytes)  # noqa: PTH116  one call for both
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(handle, "rb")
    except OSError as error:
        raise FileUnavailable(
            f"{name} cannot be read ({error.strerror}); check that it still exists and "
            "that you may read it"
        ) from error
    try:
        _must_be_fine(os.fstat(file.fileno()), name, max_bytes)
    except FileUnavailable:
        file.close()
        raise
    return file


def read_regular(path: Path, name: str, max_bytes: float) -> bytes:
    """Return the content of a regular file; see `open_regular`."""
    with open_regular(path, name, max_bytes) as file:
        return read_all(file, name, max_bytes)


def read_all(file: BinaryIO, name: str, max_bytes: float) -> bytes:
    """Return the content of an open file from its beginning, if it is not too large.

    Raises
    ------
    FileUnavailable
        If reading fails, or the file has grown beyond the limit.
    """
    limit = int(min(max_bytes, 2**62))
    try:
        file.seek(0)
        content = file.read(limit + 1)
    except OSError as error:
        raise FileUnavailable(f"{name} cannot be read ({error.strerror}); copy it again") from error
    if len(content) > limit:
        raise refusal(size_problem(len(content), name, max_bytes))
    return content


def entry_problem(path: Path, name: str, max_bytes: float) -> Reason | None:
    """Return why an entry of a folder is no file to read, or None; opens nothing."""
    try:
        status = path.stat()
    except OSError as error:
        if path.is_symlink():
            target = shown_name(str(path.readlink()))
            return Reason(
                ReasonCode.NOT_A_FILE,
                f"{name} is a link to {target}, which leads to no file ({error.strerror}); "
                "mend or remove the link",
            )
        return Reason(
            ReasonCode.FILE_UNAVAILABLE,
            f"{name} cannot be read ({error.strerror}); check that you may read it",
        )
    return status_problem(status, name, max_bytes)


def status_problem(status: os.stat_result, name: str, max_bytes: float) -> Reason | None:
    """Return why a file of this kind and size is not read, or None."""
    for is_kind, what in KINDS:
        if is_kind(status.st_mode):
            return Reason(
                ReasonCode.NOT_A_FILE,
                f"{name} is {what}, not a file; remove it, or name it in source.exclude "
                "of the profile",
            )
    if status.st_size > max_bytes:
        return size_problem(status.st_size, name, max_bytes)
    return None


def size_problem(size_bytes: int, name: str, max_bytes: float) -> Reason:
    """Return the reason that refuses a file for its size."""
    return Reason(
        ReasonCode.TOO_LARGE,
        f"{name} has {size_bytes / 1e6:.0f} MB, more than the limit of "
        f"{max_bytes / 1e6:.0f} MB that follows from detector.max_megapixels; raise it in "
        "the profile if the file is right",
        {"size_bytes": size_bytes, "limit_bytes": max_bytes},
    )


def _must_be_fine(status: os.stat_result, name: str, max_bytes: float) -> None:
    problem = status_problem(status, name, max_bytes)
    if problem is not None:
        raise refusal(problem)


def refusal(problem: Reason) -> FileUnavailable:
    """Return the error that refuses a file for a reason."""
    return FileUnavailable(problem.message, problem.code, **problem.measurements)
