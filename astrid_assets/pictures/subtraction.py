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
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.numbers import by_name
from astrid_assets.science.quality.printing import printed, printed_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.differencing.evidence import Evidence
    from astrid_assets.science.differencing.settings import DifferencingSettings
    from astrid_assets.science.quality.cross_check import CrossCheck

NUMBERS = by_name(DIFFERENCE_NUMBERS)
FRACTION = "fraction"  # the unit that is printed in percent
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
    covered = _beside_limits(difference, "coverage", settings, between="\n")
    masks.set_title(f"difference and mask, {covered}", fontsize=SMALL)
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
    limit = settings.max_method_difference
    stars.axhline(limit, color=INK, lw=0.8, ls="--")
    stars.set(ylim=(0, None))
    _snr_axis(stars)
    _plot_size(stars)
    at_stars = numbers["star_difference"]
    stars.set_title(
        "difference over flux at constant stars\n"
        + ("" if at_stars is None else f"median {printed(float(str(at_stars)), limit, FRACTION)}, ")
        + f"at most {printed_limit(limit, FRACTION)}",
        fontsize=SMALL,
    )
    return palette_png(figure)


def _noise(
    axes: Axes, difference: Difference, evidence: Evidence, settings: DifferencingSettings
) -> None:
    counts, width = evidence.score_counts, float(np.diff(SCORE_EDGES)[0])
    axes.stairs(np.maximum(counts, 0.1), SCORE_EDGES, color=ACCENT, fill=True)
    x = np.linspace(SCORE_EDGES[0], SCORE_EDGES[-1], 200)
    axes.plot(x, counts.sum() * width * norm.pdf(x), color=INK, lw=1, label="unit Gaussian")
    axes.legend(fontsize=6, loc="upper right", frameon=False)
    axes.set_yscale("log")
    axes.set(ylim=(0.5, None), xlabel="S_corr (sigma)")
    _plot_size(axes)
    scatter = _beside_limits(difference, "std_score", settings, between=" on blank sky\n")
    axes.set_title(scatter, fontsize=SMALL)


def _stars(
    axes: Axes, difference: Difference, evidence: Evidence, settings: DifferencingSettings
) -> None:
    for values, colour, label in (
        (evidence.ratio - 1, FAINT, f"{NUMBERS['flux_ratio'].label} - 1"),
        (evidence.residual, ACCENT, "left in the difference"),
    ):
        shown = np.clip(values, -RESIDUAL_RANGE, RESIDUAL_RANGE)
        axes.plot(evidence.snr, shown, ".", ms=4, color=colour, label=label)
    for bound in NUMBERS["psf_error"].bounds(settings):
        for limit in (-bound, bound):
            axes.axhline(limit, color=INK, lw=0.8, ls="--")
    axes.set(ylim=(-RESIDUAL_RANGE - 0.02, RESIDUAL_RANGE + 0.02))
    _snr_axis(axes)
    axes.legend(fontsize=6, loc="lower right", frameon=False)
    _plot_size(axes)
    words = [
        NUMBERS[name].in_words(getattr(difference, name), settings)
        for name in ("n_stars", "flux_ratio", "flux_ratio_scatter")
    ]
    power = _beside_limits(difference, "residual_power", settings)
    axes.set_title(f"{', '.join(words)}\n{power}", fontsize=SMALL)


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
    offset = _beside_limits(difference, "offset_px", settings)
    scatter = _beside_limits(difference, "astrometric_noise_px", settings, between="\n")
    axes.set_title(f"{offset}\n{scatter}", fontsize=SMALL)


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
    axes.set_title(f"{len(b.flux)} positions of blank sky\n" + ", ".join(words), fontsize=SMALL)


def _beside_limits(
    difference: Difference, name: str, settings: DifferencingSettings, *, between: str = " "
) -> str:
    """Return a declared number in words, and its limits in brackets."""
    number = NUMBERS[name]
    limits = ", ".join(number.limits_in_words(settings))
    return f"{number.in_words(getattr(difference, name), settings)}{between}({limits})"


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
