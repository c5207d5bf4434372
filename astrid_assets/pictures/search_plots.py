"""Plots of a search for settings: what mattered, and which combinations did well."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.plots import ACCENT, FAINT, INK, figure_png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Values = Mapping[str, str | int | float | bool]

HEIGHT_PER_BAR, WIDTH_PER_AXIS = 0.28, 0.95
"""Inches."""


def importance_bars(importance: Mapping[str, float]) -> bytes:
    """Draw the share of the variance that each setting explains, the largest on top."""
    names = sorted(importance, key=lambda name: importance[name])

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.barh(names, [importance[name] for name in names], color=ACCENT)
        axes.set(xlabel="share of the variance explained", xlim=(0, 1))

    return figure_png(draw, (5, 1 + HEIGHT_PER_BAR * len(names)))


def parallel_coordinates(
    values: Sequence[Values], scores: Sequence[float], metric: str, logarithmic: Sequence[str]
) -> bytes:
    """Draw each trial as a line across its settings to its metric, the best in colour.

    Parameters
    ----------
    values
        Values of each trial, the best first.
    scores
        The metric of each trial, finite.
    logarithmic
        Names of the settings whose axis is a logarithm.
    """
    names = list(values[0])
    columns = [_axis([row[name] for row in values], name in logarithmic) for name in names]
    heights = np.stack([height for height, _ in columns] + [_scaled(np.array(scores, float))])
    ends = [end for _, end in columns] + [_ends(np.array(scores, float))]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = list(range(len(names) + 1))
        for row in range(len(values) - 1, 0, -1):
            axes.plot(places, heights[:, row], color=FAINT, lw=0.8)
        axes.plot(places, heights[:, 0], color=ACCENT, lw=2)
        for place, marks in zip(places, ends, strict=True):
            axes.axvline(place, color=INK, lw=0.6)
            for text, height in zip(marks, _steps(len(marks)), strict=True):
                axes.annotate(
                    text, (place, height), fontsize=6, xytext=(2, 2), textcoords="offset points"
                )
        axes.set_xticks(places, [*names, metric], rotation=30, ha="right", fontsize=7)
        axes.set_yticks([])
        for side in ("left", "right", "top", "bottom"):
            axes.spines[side].set_visible(False)

    return figure_png(draw, (1 + WIDTH_PER_AXIS * (len(names) + 1), 3.2))


def _axis(
    column: Sequence[str | int | float | bool], is_logarithmic: bool
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return heights from 0 to 1, and the texts beside the axis from the bottom up."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in column):
        numbers = np.array(column, dtype=np.float64)
        heights = _scaled(np.log(numbers) if is_logarithmic else numbers)
        return heights, _ends(numbers)
    words = sorted({str(value) for value in column})
    steps = dict(zip(words, _steps(len(words)), strict=True))
    return np.array([steps[str(value)] for value in column]), tuple(words)


def _steps(count: int) -> list[float]:
    """Return equally spaced heights; a single one lies in the middle."""
    return [0.5] if count == 1 else np.linspace(0, 1, count).tolist()


def _ends(numbers: NDArray[np.float64]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((f"{numbers.min():.4g}", f"{numbers.max():.4g}")))


def _scaled(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = float(numbers.min()), float(numbers.max())
    if math.isclose(low, high):
        return np.full(len(numbers), 0.5)
    return (numbers - low) / (high - low)
