"""What became of each night, as a table for people; the values are the report's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from astrid_assets.report.summary import NightLine

COUNTS = (
    "frames",
    "accepted",
    "rejected",
    "differences",
    "candidates",
    "detections",
    "labels",
)


def night_table(nights: Iterable[tuple[str, NightLine]], title: str) -> Table:
    """Return one line per night; `nights` are pairs of survey and line."""
    table = Table(title=title, title_justify="left")
    table.add_column("survey", no_wrap=True)
    table.add_column("night", no_wrap=True)
    for column in COUNTS:
        table.add_column(column, justify="right")
    table.add_column("reasons and held-back gates")
    for survey, line in nights:
        counts = counts_of(line)
        remarks = [f"{code} {n}" for code, n in sorted(reasons_of(line).items())]
        remarks += [f"[red]held back: {gate}[/red]" for gate in line.held_back_by]
        numbers = [str(counts[name]) for name in COUNTS]
        table.add_row(survey, line.night, *numbers, ", ".join(remarks))
    return table


def counts_of(line: NightLine) -> Mapping[str, int]:
    """Return the numbers of a night; frames are those of the sky, not calibration."""
    return {
        "frames": line.lights + line.refused,
        "accepted": line.accepted,
        "rejected": line.refused + max(line.lights - line.accepted, 0),
        "differences": line.differences,
        "candidates": line.candidates,
        "detections": line.detections,
        "labels": line.real + line.bogus,
    }


def reasons_of(line: NightLine) -> Mapping[str, int]:
    """Return why frames were refused, with how many of them."""
    at_the_door = {"not readable as a frame": line.refused} if line.refused else {}
    return {**at_the_door, **line.rejected_because}
