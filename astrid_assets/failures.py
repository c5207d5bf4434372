"""Known failures: whose message says what to do, and how a run's error leads to it.

A run records its errors as text, with the name of each exception's class, and the
exception of a worker process arrives as a copy. So the known ones are found by name.
The outermost known one in a chain of errors is reported; what a client or a driver said
in its own words stands in the traceback.
"""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from astrid_assets.steps.locations import LOCATION, location_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dagster_shared.error import SerializableErrorInfo

FAILURE = dg.Failure.__name__
"""Dagster's exception for what is said in words already."""

REMOTE = "_RemoteTraceback"
"""The cause that a process pool adds to an exception of a worker: its traceback."""

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
ERRNO = re.compile(r"\[Errno (\d+)\]")
FREE_SPACE = "free space there and run the same command again; what was finished is kept"


def known_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions whose message says what to do."""
    from astrid_assets.compute import WorkerDied
    from astrid_assets.learning.inference import UnusableModel
    from astrid_assets.resources.variables import BadEnvironment
    from astrid_assets.storage.objects.store_errors import StoreError
    from astrid_assets.surveys.profile import ProfileError
    from astrid_assets.surveys.sources.base import SourceError

    return (
        *services(),
        BadEnvironment,
        StoreError,
        ProfileError,
        SourceError,
        UnusableModel,
        WorkerDied,
    )


def services() -> tuple[type[Exception], ...]:
    """Return the known failures of a whole service, which every other night meets too."""
    from astrid_assets.resources.sqlite_history import HistoryUnavailable
    from astrid_assets.storage.database.catalogue_errors import CatalogueUnavailable
    from astrid_assets.storage.objects.store_errors import StoreUnavailable
    from astrid_assets.surveys.sources.base import SourceUnavailable
    from astrid_assets.tracking.server import TrackingUnavailable

    return (
        CatalogueUnavailable,
        HistoryUnavailable,
        SourceUnavailable,
        StoreUnavailable,
        TrackingUnavailable,
    )


def names_of(classes: Iterable[type[Exception]]) -> frozenset[str]:
    """Return the names of classes and of all classes made from them."""
    names: set[str] = set()
    for each in classes:
        names |= {each.__name__, *names_of(each.__subclasses__())}
    return frozenset(names)


def words_of(error: BaseException) -> str | None:
    """Return the sentence that the user reads; None for a fault of the program."""
    each: BaseException | None = error
    while each is not None:
        if isinstance(each, known_failures()):
            return str(each)
        if isinstance(each, OSError) and each.errno in DISK_FULL:
            return disk_sentence(str(each))
        each = each.__cause__
    return None


@contextmanager
def in_words(
    location: str = "", *, allow_retries: bool = True, metadata: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Let a known failure end a step with its sentence, which the UI shows by itself.

    Parameters
    ----------
    location
        Where the work is, in words; what the error itself knows is closer.
    allow_retries
        Whether the step may be tried again.
    metadata
        Shown beside the sentence.

    Raises
    ------
    dagster.Failure
        From the known failure.
    """
    try:
        yield
    except known_failures() as error:
        raise dg.Failure(
            at_location(one_line(str(error)), location_of(error) or location),
            metadata={"failure": type(error).__name__, **(metadata or {})},
            allow_retries=allow_retries,
        ) from error


def chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    """Yield an error of a run and its causes, the outermost first."""
    while error is not None:
        if error.cls_name != REMOTE:
            yield error
        error = error.cause or error.context


def classes_of(error: SerializableErrorInfo | None) -> frozenset[str]:
    """Return the names of the exception classes, causes included."""
    return frozenset(each.cls_name or "" for each in chain(error))


def sentence_of(error: SerializableErrorInfo) -> str:
    """Return what happened in one line: ours where there is a known failure.

    Without one the innermost cause is what happened; the outer ones say where.
    """
    errors = list(chain(error))
    ours = names_of(known_failures()) | {FAILURE}
    location = next((found for each in errors if (found := _location(each))), "")
    for each in errors:
        if each.cls_name in ours:
            said = each.message.partition(f"{each.cls_name}: ")[2] or each.message
            return at_location(one_line(said.partition(f"\n{LOCATION}")[0]), location)
    innermost = error
    while innermost.cause is not None and innermost.cause.cls_name != REMOTE:
        innermost = innermost.cause
    return at_location(disk_sentence(innermost.message.strip().splitlines()[0]), location)


def disk_sentence(said: str) -> str:
    """Add what to do to the words of an error, if a full disk is what they say."""
    number = ERRNO.search(said)
    if number and int(number[1]) in DISK_FULL:
        return f"{said}: the disk is full; {FREE_SPACE}"
    return said


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())


def at_location(sentence: str, location: str) -> str:
    """Put the location in front of a sentence that does not start with it."""
    if not location or sentence.startswith(location):
        return sentence
    return f"{location}: {sentence}"


def _location(error: SerializableErrorInfo) -> str:
    for line in error.message.splitlines():
        if line.startswith(LOCATION):
            return line.removeprefix(LOCATION)
    return ""
