"""Sources of a survey's files: the small interface that all kinds share.

::

    SourceError
    ├── SourceUnavailable   the source as a whole: wrong path, empty, unreachable
    └── FileUnavailable     one file: gone, forbidden, cut off, not what was promised

What the files hold is read in `surveys.fits`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, BinaryIO, Protocol

from astrid_assets.science.errors import Reason
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class SourceError(Exception):
    """A source that does not give what it should; the message says what to do."""


class SourceUnavailable(SourceError):
    """The whole source cannot be used."""


class FileUnavailable(SourceError):
    """One file cannot be read; the others may be fine.

    Parameters
    ----------
    message
        A sentence with the numbers.
    code
        What kind of hindrance it is.
    **measurements
        The numbers themselves.
    """

    def __init__(
        self,
        message: str,
        code: ReasonCode = ReasonCode.FILE_UNAVAILABLE,
        **measurements: float,
    ) -> None:
        super().__init__(message)
        self.reason = Reason(code, message, measurements)


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes
    ----------
    path
        Identity inside the source, relative, with forward slashes.
    size_bytes, mtime_ns
        Change when the file changes; 0 where the source does not know them.
    night : YYYY-MM-DD, or None when only the header can say
    problem
        Why the file is not read at all, where its name, kind or size says so.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    night: str | None = None
    problem: Reason | None = None


@dataclass(frozen=True)
class SourceOptions:
    """Endpoint and credentials of object stores, hosts of archives; never in a profile.

    Attributes
    ----------
    internal_hosts
        Hosts of this network that archives may be at.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    internal_hosts: tuple[str, ...] = ()


class FrameSource(Protocol):
    """What every source can do."""

    def files(self) -> Iterator[SourceFile]:
        """Yield the files in the order of their paths."""
        ...

    def read(self, path: str) -> bytes:
        """Return the content of a file; `FileUnavailable` when there is none."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Return a file opened for reading and seeking; errors as of `read`."""
        ...

    def check(self) -> None:
        """Raise `SourceUnavailable` when nothing can come from here."""
        ...


def shown_name(path: str) -> str:
    r"""Return a path as printable text: what is not printable is written as an escape.

    Line ends and control characters become ``\n`` or ``\x1b``, bytes that are no
    UTF-8 become ``\xff``; other paths stay as they are.
    """
    if path.isprintable():
        return path
    return "".join(
        char
        if char.isprintable() and char != "\\"
        else f"\\x{ord(char) - 0xDC00:02x}"  # a byte that the file system's encoding lacks
        if 0xDC80 <= ord(char) <= 0xDCFF
        else char.encode("unicode_escape").decode("ascii")
        for char in path
    )


def name_problem(path: str) -> Reason | None:
    """Return why a file with this name is not read, or None."""
    if path.isprintable():
        return None
    return Reason(
        ReasonCode.BAD_NAME,
        f"the name {shown_name(path)} holds line ends, control characters or bytes that are "
        "no UTF-8; rename the file",
    )


def is_wanted(path: str, patterns: Sequence[str], exclude: Sequence[str]) -> bool:
    """Return whether a relative path is one of the survey's files.

    `patterns` are matched against the file name, whatever its case; `exclude`
    against the whole path. Hidden files and folders are never wanted: they are
    droppings of operating systems (``._frame.fits``).
    """
    parts = path.split("/")
    if any(part.startswith(".") for part in parts) or matches_any(path, exclude):
        return False
    name = parts[-1]
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def matches_any(path: str, patterns: Sequence[str]) -> bool:
    """Return whether a source path matches one of the glob patterns."""
    return any(fnmatchcase(path, pattern) for pattern in patterns)
