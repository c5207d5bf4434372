"""Plots of an evaluation, by matplotlib (imported when one is drawn): PNG bytes out.

Every number arrives as plain lists, in the form that the catalogue keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.plots import ACCENT, FAINT, INK, figure_png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Lines = Mapping[str, Mapping[str, Sequence[float]]]

OTHERS = (FAINT, INK, "#0369a1", "#4d7c0f")
"""Colours of rankings beside the model's."""

LOWEST_RATE = 1e-3
"""Left end of the logarithmic axis; a rate of 0 lies on it."""


@dataclass(frozen=True)
class Bar:
    """A measured share with its interval; None: nothing to measure."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ShareBin:
    """One bin of a plot of purity and completeness."""

    name: str
    completeness: Bar | None
    purity: Bar | None


def ranking_plot(rankings: Lines) -> bytes:
    """Draw ROC and purity-completeness curves, the model's in colour.

    Parameters
    ----------
    rankings
        By name (``model`` first) lists of ``completeness``, ``false_positive_rate`` and
        ``purity``, as `learning.metrics.curves` gives them.
    """

    def draw(figure: Figure) -> None:
        roc, purity = figure.subplots(1, 2)
        for index, (name, curve) in enumerate(rankings.items()):
            colour = ACCENT if name == "model" else OTHERS[(index - 1) % len(OTHERS)]
            rate = np.maximum(curve["false_positive_rate"], LOWEST_RATE)
            roc.plot(rate, curve["completeness"], color=colour, label=name)
            purity.plot(curve["completeness"], curve["purity"], color=colour, label=name)
        roc.set(
            xscale="log",
            xlim=(LOWEST_RATE, 1),
            ylim=(0, 1.02),
            xlabel="false positive rate",
            ylabel="completeness",
            title="ROC",
        )
        roc.axhline(0.95, color=FAINT, lw=0.8, ls=":")
        roc.legend(fontsize=7, frameon=False, loc="lower right")
        purity.set(
            xlim=(0, 1.02),
            ylim=(0, 1.02),
            xlabel="completeness",
            ylabel="purity",
            title="purity and completeness",
        )

    return figure_png(draw, (7, 3))


def reliability_plot(
    bins: Sequence[tuple[float, Bar]],
    edges: Sequence[float],
    real: Sequence[int],
    bogus: Sequence[int],
    title: str = "reliability",
) -> bytes:
    """Draw the share of real against the mean score, and the histogram of scores.

    Parameters
    ----------
    bins
        Mean score and share of real of each.
    edges, real, bogus
        The histogram, of n + 1, n and n numbers.
    title
        Above the diagram.
    """

    def draw(figure: Figure) -> None:
        diagram, histogram = figure.subplots(1, 2)
        diagram.plot([0, 1], [0, 1], color=FAINT, lw=0.8)
        for score, share in bins:
            diagram.plot([score, score], [share.low, share.high], color=FAINT)
            diagram.plot(score, share.value, "o", ms=4, color=ACCENT)
        diagram.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share of real", title=title)
        histogram.stairs(real, edges, color=ACCENT, label="real")
        histogram.stairs(bogus, edges, color=INK, label="bogus")
        histogram.set(yscale="symlog", xlabel="score", ylabel="detections", title="scores")
        histogram.legend(fontsize=7, frameon=False, loc="upper center")

    return figure_png(draw, (7, 3))


def share_plot(bins: Sequence[ShareBin], xlabel: str) -> bytes:
    """Draw completeness and purity at the threshold per bin, with 95 % intervals."""

    def draw(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        for offset, colour, what in ((-0.08, ACCENT, "completeness"), (0.08, INK, "purity")):
            label = what
            for place, part in enumerate(bins):
                bar: Bar | None = getattr(part, what)
                if bar is None:
                    continue
                x = place + offset
                axes.plot([x, x], [bar.low, bar.high], color=FAINT)
                axes.plot(x, bar.value, "o", ms=4, color=colour, label=label)
                label = "_"
        axes.set(ylim=(0, 1.05), xlabel=xlabel, ylabel="share at the threshold")
        axes.set_xticks(range(len(bins)), [part.name for part in bins], fontsize=7)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, frameon=False, loc="lower right")

    return figure_png(draw, (6, 3))


def confusion_plot(hits: int, alarms: int, passed: int, missed: int) -> bytes:
    """Draw the two by two table: what is real against what is called so.

    Parameters
    ----------
    hits, alarms, passed, missed
        Real and called so; bogus called real; bogus called so; real called bogus.
    """

    def draw(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        table = np.array([[hits, missed], [alarms, passed]])
        rows = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        axes.imshow(rows, cmap="Oranges", vmin=0, vmax=1)
        for (y, x), count in np.ndenumerate(table):
            dark = rows[y, x] > 0.6
            axes.text(
                x,
                y,
                f"{count}\n{100 * rows[y, x]:.1f} %",
                ha="center",
                va="center",
                color="white" if dark else INK,
            )
        axes.set_xticks([0, 1], ["called real", "called bogus"])
        axes.set_yticks([0, 1], ["real", "bogus"])

    return figure_png(draw, (3.4, 3))
