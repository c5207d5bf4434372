"""Plots of a model's health over the weeks, on random items, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.pictures.plots import ACCENT, FAINT, INK, figure_png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 3
"""Measurements below which no trend is to be seen, which the plot states."""

MOST_TICKS = 8
COLUMNS = 3


@dataclass(frozen=True)
class HealthPoint:
    """One measurement: number, 95 % interval, what it is compared with; None: not measured.

    Attributes
    ----------
    day
        When it was measured, as a date.
    n
        Items that it is made of.
    """

    day: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    passed: bool | None


def health_plot(numbers: Mapping[str, Sequence[HealthPoint]]) -> bytes:
    """Draw each number over time: intervals as bars, failures in colour, limits dashed.

    Hollow is what is not judged. Weeks without enough items are crosses on the axis, and a
    panel with few measurements states how many there are.

    Parameters
    ----------
    numbers
        Measurements in order of time by name, at least one of each.
    """

    def draw(figure: Figure) -> None:
        rows = -(-len(numbers) // COLUMNS)
        panels = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
        for axes, (name, points) in zip(panels, numbers.items(), strict=False):
            _panel(axes, name.replace("_", " "), points)
        for axes in panels[len(numbers) :]:
            axes.set_axis_off()

    return figure_png(draw, (3 * COLUMNS, 2.6 * -(-len(numbers) // COLUMNS)))


def _panel(axes: Axes, title: str, points: Sequence[HealthPoint]) -> None:
    at = range(len(points))
    axes.plot(at, [_or_gap(point.limit) for point in points], "--", color=FAINT)
    for x, point in zip(at, points, strict=True):
        if point.value is None:
            axes.plot(x, 0, "x", color=FAINT, transform=axes.get_xaxis_transform(), clip_on=False)
            continue
        if point.low is not None and point.high is not None:
            axes.plot([x, x], [point.low, point.high], color=FAINT)
        colour = ACCENT if point.passed is False else INK
        face = "white" if point.passed is None else colour
        axes.plot(x, point.value, "o", ms=4, color=colour, mfc=face)
    every = max(1, len(points) // MOST_TICKS)
    axes.set_xticks(list(at)[::every], [point.day for point in points][::every])
    axes.tick_params(axis="x", rotation=90, labelsize=6)
    axes.set(title=title, xlim=(-0.5, len(points) - 0.5))
    axes.set_xlabel(said_of(points), fontsize=7)


def said_of(points: Sequence[HealthPoint]) -> str:
    """Return what a panel states: the items of the newest measurement, and if there are few."""
    measured = [point for point in points if point.value is not None]
    if not measured:
        return f"not measured: {points[-1].n} items are too few"
    newest = f"newest: {measured[-1].n} items"
    if len(measured) >= FEW:
        return newest
    shows = "1 week shows" if len(measured) == 1 else f"{len(measured)} weeks show"
    return f"{newest}; {shows} no trend"


def _or_gap(value: float | None) -> float:
    return float("nan") if value is None else value
