"""Plots of how the nights of a model have drifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.pictures.plots import ACCENT, FAINT, INK, figure_png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

MOST_TICKS = 8


@dataclass(frozen=True)
class NightPoint:
    """A night: median with its 95 % interval, difference from the first nights; or None.

    Attributes
    ----------
    usual
        The largest difference of one of the first nights from the others.
    """

    night: str
    median: float | None
    low: float | None
    high: float | None
    effect: float | None
    usual: float | None


def drift_plot(nights: Mapping[str, Sequence[NightPoint]], limit: float) -> bytes:
    """Draw medians above and differences below, a column for each number.

    A night with too few detections for an interval, or for a comparison, is hollow.

    Parameters
    ----------
    nights
        Nights in order of time by number, at least one of each.
    limit
        Difference from which drift matters.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots(2, len(nights), sharex=True, squeeze=False)
        for (number, rows), (above, below) in zip(nights.items(), axes.T, strict=True):
            at = [row.night for row in rows]
            above.plot(at, [_or_gap(row.median) for row in rows], color=FAINT, lw=0.8)
            for row in rows:
                is_few = row.low is None or row.effect is None
                if row.median is not None:
                    face = "white" if is_few else INK
                    above.plot([row.night], [row.median], "o", color=INK, ms=3, mfc=face)
                if row.low is not None and row.high is not None:
                    above.plot([row.night] * 2, [row.low, row.high], color=INK, lw=0.8)
            above.set(title=number.replace("_", " "))
            below.plot(at, [_or_gap(row.effect) for row in rows], "o-", color=ACCENT, ms=3)
            below.plot(
                at,
                [max(limit, row.usual) if row.usual is not None else limit for row in rows],
                "--",
                color=FAINT,
            )
            below.set(ylim=(0, 1))
            below.tick_params(axis="x", rotation=90, labelsize=6)
            below.set_xticks(at[:: max(1, len(at) // MOST_TICKS)])
        axes[0, 0].set(ylabel="median")
        axes[1, 0].set(ylabel="difference, at least")

    return figure_png(draw, (2.5 * len(nights), 4))


def _or_gap(value: float | None) -> float:
    return float("nan") if value is None else value
