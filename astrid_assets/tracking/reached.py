"""What MLflow raises, as an error that says what to do where MLflow itself is the trouble."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from astrid_assets.tracking.embedded import was_never_finished
from astrid_assets.tracking.server import TrackingUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE_PROBLEMS = re.compile(
    "database or disk is full|disk I/O error|readonly database|malformed|not a database"
)
"""SQLite's words about a file that it cannot use."""


@contextmanager
def reached(check: Callable[[], None], file: Path | None) -> Iterator[None]:
    """Say that MLflow cannot be used where that is why something failed.

    Parameters
    ----------
    check
        Raises TrackingUnavailable when nothing answers.
    file
        The SQLite file; None for a server.

    Raises
    ------
    TrackingUnavailable
        Before MLflow is asked, and from what MLflow raised.
    """
    check()
    try:
        yield
    except TrackingUnavailable:
        raise
    except Exception as error:
        problem = _problem(check, file, error)
        if problem is not None:
            raise problem from error
        raise


def _problem(
    check: Callable[[], None], file: Path | None, error: Exception
) -> TrackingUnavailable | None:
    """Return what keeps MLflow from working; None where `error` is something else."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import DBAPIError

    if not isinstance(error, MlflowException | DBAPIError | OSError):
        return None
    try:
        check()
    except TrackingUnavailable as gone:
        return gone
    if file is None:
        return None
    if was_never_finished(file):
        return TrackingUnavailable(
            f"MLflow's database {file} was never finished, because what made it was "
            "killed: `astrid doctor --fix` moves it aside, and a new one is made"
        )
    said = FILE_PROBLEMS.search(str(error))
    if said is None:
        return None
    return TrackingUnavailable(
        f"MLflow's database {file} cannot be used ({said[0]}): free space there, "
        "restore it from a backup, or move the file away to begin anew; models in force are "
        "kept in the object store"
    )
