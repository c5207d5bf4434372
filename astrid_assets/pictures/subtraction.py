"""What a subtraction's gates judged, as pictures, and how both methods compare.

By matplotlib, imported when one is drawn; PNG bytes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from astrid_assets.pictures.diagnostics import (
    ACCENT,
    DPI,
    FAINT,
    INK,
    bare,
    draw_masks,
    palette_png,
)
from astrid_assets.science.differencing.evidence import SCORE_EDGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.differencing.evidence import Evidence
    from astrid_assets.science.differencing.settings import DifferencingSettings
    from astrid_assets.science.quality.cross_check import CrossCheck

RESIDUAL_RANGE = 0.3  # of a star's flux; beyond it points stand on the frame
ARROW_PX = 0.2  # of the key
SCORES_SHOWN = 8.0  # sigma
SMALL = 8  # points of a title
SNR_TICKS = (10, 30, 100, 300, 1000)
SNR_RANGE = (8, 1500)


def gates_picture(difference: Difference, settings: DifferencingSettings) -> bytes:
    """Draw what the gates of a subtraction judged, each number beside its limit.

    Histogram of the score on blank sky, what constant stars leave and their flux
    ratios, where they lie against the registration, and the mask.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 2.9), dpi=DPI, layout="constrained")
    noise, stars, offsets, masks = figure.subplots(1, 4, width_ratios=(1.1, 1.3, 1, 1.2))
    if difference.evidence is not None:
        _noise(noise, difference, difference.evidence, settings)
        _stars(stars, difference, difference.evidence, settings)
        _offsets(offsets, difference, difference.evidence, settings)
    draw_masks(masks, difference.d, difference.mask)
    masks.set_title(
        f"difference, mask; covered {difference.coverage:.0%}\n"
        f"(at least {settings.min_coverage:.0%}, warned {settings.warn_coverage:.0%})",
        fontsize=SMALL,
    )
    return palette_png(figure)


def methods_picture(check: CrossCheck, settings: DifferencingSettings) -> bytes:
    """Draw both methods' fluxes and scores against each other, and the stars."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.9), dpi=DPI, layout="constrained")
    changes, blank, stars = figure.subplots(1, 3)
    _fluxes(changes, check)
    _scores(blank, check)
    numbers = check.numbers()
    stars.plot(check.star_snr, check.star_difference, ".", color=ACCENT)
    stars.axhline(settings.max_method_difference, color=INK, lw=0.8, ls="--")
    stars.set(ylim=(0, None))
    _snr_axis(stars)
    _plot_size(stars)
    at_stars = numbers["star_difference"]
    stars.set_title(
        "difference over flux at constant stars\n"
        + (f"median {float(str(at_stars)):.2%}, " if at_stars is not None else "")
        + f"at most {settings.max_method_difference:.0%}",
        fontsize=SMALL,
    )
    return palette_png(figure)


def _noise(
    axes: Axes, difference: Difference, evidence: Evidence, settings: DifferencingSettings
) -> None:
    counts, width = evidence.score_counts, float(np.diff(SCORE_EDGES)[0])
    axes.stairs(np.maximum(counts, 0.1), SCORE_EDGES, color=ACCENT, fill=True)
    x = np.linspace(SCORE_EDGES[0], SCORE_EDGES[-1], 200)
    axes.plot(x, counts.sum() * width * norm.pdf(x), color=INK, lw=1)
    axes.set_yscale("log")
    axes.set(ylim=(0.5, None), xlabel="S_corr (sigma)")
    _plot_size(axes)
    axes.set_title(
        f"blank sky: std {difference.std_score:.3f} ({settings.min_std_score:g} to "
        f"{settings.max_std_score:g})\nline: unit Gaussian",
        fontsize=SMALL,
    )


def _stars(
    axes: Axes, difference: Difference, evidence: Evidence, settings: DifferencingSettings
) -> None:
    for values, colour, label in (
        (evidence.ratio - 1, FAINT, "flux ratio - 1"),
        (evidence.residual, ACCENT, "left in the difference"),
    ):
        shown = np.clip(values, -RESIDUAL_RANGE, RESIDUAL_RANGE)
        axes.plot(evidence.snr, shown, ".", ms=4, color=colour, label=label)
    for limit in (-settings.max_psf_error, settings.max_psf_error):
        axes.axhline(limit, color=INK, lw=0.8, ls="--")
    axes.set(ylim=(-RESIDUAL_RANGE - 0.02, RESIDUAL_RANGE + 0.02))
    _snr_axis(axes)
    axes.legend(fontsize=6, loc="lower right", frameon=False)
    _plot_size(axes)
    power = difference.residual_power
    axes.set_title(
        f"{difference.n_stars} stars (at least {settings.min_stars}), "
        f"ratio {difference.flux_ratio:.3f} ± {difference.flux_ratio_scatter:.1%}\n"
        + ("" if power is None else f"residual power {power:.2%} ")
        + f"(at most {settings.max_residual_power:.0%})",
        fontsize=SMALL,
    )


def _offsets(
    axes: Axes, difference: Difference, evidence: Evidence, settings: DifferencingSettings
) -> None:
    ny, nx = difference.d.shape
    bare(axes)
    axes.set(xlim=(0, nx), ylim=(0, ny), aspect="equal")
    arrows = axes.quiver(
        evidence.x, evidence.y, evidence.dx_px, evidence.dy_px, color=ACCENT, scale=2, width=0.008
    )
    axes.quiverkey(
        arrows,
        0.5,
        -0.06,
        ARROW_PX,
        f"{ARROW_PX:g} px",
        labelpos="E",
        coordinates="axes",
        fontproperties={"size": SMALL},
    )
    axes.set_title(
        f"offset {difference.offset_px:.2f} px (at most {settings.max_offset_px:g}), "
        f"corrected\nscatter {difference.astrometric_noise_px:.3f} px (warned "
        f"{settings.warn_astrometric_noise_px:g})",
        fontsize=SMALL,
    )


def _fluxes(axes: Axes, check: CrossCheck) -> None:
    c = check.changes
    axes.errorbar(
        c.flux, c.other_flux, c.other_flux_err, c.flux_err, fmt=".", color=ACCENT, ecolor=FAINT
    )
    ends = [*c.flux, *c.other_flux] or [0.0, 1.0]
    axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color=INK, lw=0.8)
    axes.set(xlabel="flux (e⁻)", ylabel=f"flux by {check.method} (e⁻)")
    _plot_size(axes)
    ratio = check.numbers()["flux_ratio"]
    axes.set_title(
        f"{len(c.flux)} changes above 10 sigma"
        + ("" if ratio is None else f"\nratio {float(str(ratio)):.4f}"),
        fontsize=SMALL,
    )


def _scores(axes: Axes, check: CrossCheck) -> None:
    b, ends = check.blank, [-SCORES_SHOWN / 2, SCORES_SHOWN / 2]
    axes.plot(b.flux / b.flux_err, b.other_flux / b.other_flux_err, ",", color=ACCENT)
    axes.plot(ends, ends, color=INK, lw=0.8)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set(xlabel="S_corr", ylabel=f"S_corr by {check.method}")
    _plot_size(axes)
    numbers = check.numbers()
    words = [
        f"{name} {float(str(numbers[key])):.3f}"
        for name, key in (("correlation", "correlation"), ("agreeing", "agreeing"))
        if numbers[key] is not None
    ]
    axes.set_title(f"{len(b.flux)} places of blank sky\n" + ", ".join(words), fontsize=SMALL)


def _snr_axis(axes: Axes) -> None:
    axes.set(xscale="log", xlabel="S/N of the star")
    axes.set_xticks(SNR_TICKS, [f"{tick:g}" for tick in SNR_TICKS])
    axes.set_xticks([], minor=True)
    axes.set_xlim(*SNR_RANGE)


def _plot_size(axes: Axes) -> None:
    axes.tick_params(labelsize=6)
    axes.xaxis.label.set_fontsize(SMALL)
    axes.yaxis.label.set_fontsize(SMALL)
    axes.spines[["top", "right"]].set_visible(False)
