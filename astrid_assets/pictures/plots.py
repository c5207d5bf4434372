"""Plots with axes, by matplotlib (imported when one is drawn): PNG bytes out."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.labelling.split_names import SPARE, SPLITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DPI = 80
INK, ACCENT, FAINT = "#1f2937", "#c2410c", "#9ca3af"


def training_curves(history: Sequence[Mapping[str, float]]) -> bytes:
    """Draw losses and the val split's numbers over the epochs, a line for each member.

    Parameters
    ----------
    history
        Entries of epochs; of ``val_accuracy``, ``val_precision`` and ``val_recall`` what
        is there.
    """
    shares = {
        "val_auc": ("ROC AUC", ACCENT),
        "val_accuracy": ("accuracy", FAINT),
        "val_precision": ("precision", INK),
        "val_recall": ("recall", "#0369a1"),
    }

    def draw(figure: Figure) -> None:
        losses, areas = figure.subplots(1, 2)
        for number, member in enumerate(sorted({row.get("member", 0.0) for row in history})):
            rows = [row for row in history if row.get("member", 0.0) == member]
            epochs = [row["epoch"] + 1 for row in rows]
            # One entry in the legend, whatever the number of members.
            mark = "_" if number else ""
            losses.plot(epochs, [row["train_loss"] for row in rows], INK, label=mark + "train")
            losses.plot(epochs, [row["val_loss"] for row in rows], ACCENT, label=mark + "val")
            for name, (label, colour) in shares.items():
                if all(name in row for row in rows):
                    values = [row[name] for row in rows]
                    areas.plot(epochs, values, color=colour, label=mark + label)
        losses.set(xlabel="epoch", ylabel="loss")
        losses.legend(frameon=False)
        areas.set(xlabel="epoch", ylabel="on the val split")
        areas.legend(fontsize=7, frameon=False)

    return figure_png(draw, (7, 2.6))


def completeness_curve(
    edges: Sequence[float],
    found: Sequence[int],
    injected: Sequence[int],
    repeats: tuple[Sequence[int], Sequence[int]] | None = None,
    limit: float = 0.95,
) -> bytes:
    """Draw the fraction found per S/N bin with 68 % binomial (Wilson) intervals.

    Parameters
    ----------
    repeats
        Detections per bin that another frame showed too, and those it could show:
        their share, the purity, is drawn beside the completeness.
    limit
        Drawn as a dotted line.
    """

    def draw(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        x = np.arange(len(found))
        if repeats is None:
            _shares(axes, x, found, injected, ACCENT, None)
        else:
            _shares(axes, x - 0.08, found, injected, ACCENT, "injected and found")
            _shares(axes, x + 0.08, *repeats, INK, "detections seen twice (purity)")
            axes.legend(fontsize=7, frameon=False, loc="lower right")
        labels = [
            f"{low:g}–{high:g}" if np.isfinite(high) else f"> {low:g}"
            for low, high in pairwise(edges)
        ]
        axes.set(xlabel="theoretical S/N", ylabel="fraction found", ylim=(0, 1.05))
        if repeats is not None:
            axes.set(xlabel="S/N", ylabel="share")
        axes.set_xticks(x, labels)
        axes.axhline(limit, color=FAINT, lw=0.8, ls=":")

    return figure_png(draw, (4.4, 3))


def _shares(
    axes: Axes,
    x: NDArray[np.floating] | NDArray[np.integer],
    some: Sequence[int],
    of: Sequence[int],
    colour: str,
    label: str | None,
) -> None:
    total = np.maximum(np.array(of, dtype=float), 1)
    share = np.array(some) / total
    centre = (share + 0.5 / total) / (1 + 1 / total)
    half = np.sqrt(share * (1 - share) / total + 0.25 / total**2) / (1 + 1 / total)
    shown = np.array(of) > 0
    axes.errorbar(x[shown], centre[shown], half[shown], fmt="none", ecolor=FAINT, capsize=3)
    axes.plot(x[shown], share[shown], "o", color=colour, label=label)


def dataset_distributions(
    snr: NDArray[np.float64],
    fwhm_px: NDArray[np.float64],
    is_real: NDArray[np.bool_],
    split: NDArray[np.str_],
) -> bytes:
    """Draw a dataset by class: |S/N|, seeing, and the sizes of its splits.

    Parameters
    ----------
    snr, fwhm_px, is_real, split : (n,)
        One value per sample; S/N without its sign.
    """

    def draw(figure: Figure) -> None:
        by_snr, by_seeing, by_split = figure.subplots(1, 3)
        for axes, values, label in (
            (by_snr, np.log10(snr), "log S/N"),
            (by_seeing, fwhm_px, "FWHM (px)"),
        ):
            edges = np.histogram_bin_edges(values[np.isfinite(values)], bins=30)
            for chosen, colour, name in ((is_real, ACCENT, "real"), (~is_real, INK, "bogus")):
                axes.hist(values[chosen], edges, color=colour, histtype="step", label=name)
            axes.set(xlabel=label, ylabel="samples")
        by_snr.legend(frameon=False)
        names = [name for name in (*SPLITS, SPARE) if name in SPLITS or (split == name).any()]
        real = [int((is_real & (split == name)).sum()) for name in names]
        bogus = [int((~is_real & (split == name)).sum()) for name in names]
        by_split.bar(names, real, color=ACCENT)
        by_split.bar(names, bogus, bottom=real, color=INK)
        by_split.set(ylabel="samples")

    return figure_png(draw, (9, 2.6))


def light_curve_plot(
    mjd: Sequence[float], flux: Sequence[float], flux_err: Sequence[float], title: str
) -> bytes:
    """Draw difference fluxes against time, zero marked."""

    def draw(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        axes.axhline(0, color=FAINT, lw=0.8)
        axes.errorbar(mjd, flux, flux_err, fmt="o", ms=4, color=ACCENT, capsize=2)
        axes.set(xlabel="MJD", ylabel="difference flux (e⁻)", title=title)

    return figure_png(draw, (5, 2.8))


def figure_png(draw: Callable[[Figure], None], size: tuple[float, float]) -> bytes:
    """Return what a function draws on a figure as a PNG.

    Parameters
    ----------
    size : inches
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    # No software version in the file: equal plots are equal bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
