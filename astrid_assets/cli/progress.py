"""Progress of a run as it happens: one tick per night and asset.

The steps log a line for each night they finish, ``<asset> <survey> <night>…``; an
event listener counts them. An asset that ends has ticked all its nights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import DagsterEventType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster import EventLogEntry
    from rich.console import Console
    from rich.progress import TaskID


def progress_bar(console: Console) -> Progress:
    """Return a bar for nights × assets with the time it still takes."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


class NightTicks:
    """Counts the finished nights of each asset of one run into a progress bar."""

    def __init__(
        self,
        bar: Progress,
        task: TaskID,
        survey: str,
        n_nights: int,
        assets: Sequence[str],
    ) -> None:
        self._bar, self._task = bar, task
        self._survey, self._n_nights = survey, n_nights
        # Checks are steps, too; they do not count.
        self._done = dict.fromkeys(assets, 0)

    def __call__(self, entry: EventLogEntry) -> None:
        """Look at one event of the run."""
        step = entry.step_key
        if step not in self._done:
            return
        done = self._done[step]
        if entry.dagster_event is None:
            if not entry.user_message.startswith(f"{step} {self._survey} "):
                return
            done += 1
        elif entry.dagster_event.event_type is DagsterEventType.STEP_SUCCESS:
            done = self._n_nights
        else:
            return
        ticks = min(done, self._n_nights) - self._done[step]
        self._done[step] = min(done, self._n_nights)
        self._bar.update(self._task, advance=ticks, description=f"{self._survey} {step}")

    def finish(self) -> None:
        """Tick what a failed asset and those behind it left over."""
        left = len(self._done) * self._n_nights - sum(self._done.values())
        self._bar.update(self._task, advance=left)
