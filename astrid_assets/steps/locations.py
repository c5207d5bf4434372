"""Where an exception happened: which night, and which frame of it.

It is noted on the exception itself, so that it keeps its class and its location is read
by whoever reports it, in this process or from the text of a traceback.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from astrid_assets.compute import WorkerDied

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Outcome = TypeVar("Outcome")

LOCATION = "at "
"""How a note begins that names a location."""


@contextmanager
def located(survey: str, night: str, frame: str = "") -> Iterator[None]:
    """Note the location on an exception that leaves the block, unless it has a closer one."""
    try:
        yield
    except Exception as error:
        if not location_of(error):
            # A worker that died had other frames at hand than the one waited for.
            named = frame and not isinstance(error, WorkerDied)
            where = f"{survey} {night}, {frame}" if named else f"{survey} {night}"
            error.add_note(f"{LOCATION}{where}")
        raise


def location_of(error: BaseException) -> str:
    """Return the location noted on an exception, empty where there is none."""
    notes: list[str] = getattr(error, "__notes__", [])
    found = [note for note in notes if note.startswith(LOCATION)]
    return found[0].removeprefix(LOCATION) if found else ""


def frame_name(task: object) -> str:
    """Return the frame of a step's task in words: its file, else its identity."""
    for attribute, words in (
        ("path", ""),
        ("observation_id", "frame "),
        ("difference_id", "difference "),
        ("task", ""),
    ):
        value = getattr(task, attribute, None)
        if isinstance(value, str):
            return words + value
        if value is not None:
            return frame_name(value)
    return ""


def located_outcomes(
    survey: str, night: str, tasks: Sequence[object], outcomes: Iterator[Outcome]
) -> list[Outcome]:
    """Return the outcome of each task, in their order; an exception names its frame.

    Parameters
    ----------
    outcomes
        Those of `tasks` come next; more may follow.

    Raises
    ------
    StopIteration
        If an outcome is missing.
    """
    found: list[Outcome] = []
    for task in tasks:
        with located(survey, night, frame_name(task)):
            # `next` fails where an outcome is missing; a short night is never committed.
            found.append(next(outcomes))
    return found
