"""A frame's diagnostics in one picture: masks, PSF and its width, residuals.

By matplotlib, imported when one is drawn; PNG bytes out, small enough for an event
log (some 30 kB).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.numbers import by_name
from astrid_assets.science.quality.printing import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.frame import Frame

FWHM = by_name(FRAME_NUMBERS)["fwhm_px"]
DPI = 64
INK, ACCENT, FAINT = "#1f2937", "#c2410c", "#9ca3af"
MAX_SIDE = 220
COLOURS = {
    MaskBit.HALO: "#4363d8",
    MaskBit.SPIKE: "#911eb4",
    MaskBit.EDGE: "#808080",
    MaskBit.BAD: "#800000",
    MaskBit.HOT: "#f032e6",
    MaskBit.SATURATED: "#e6194b",
    MaskBit.BLEEDING: "#f58231",
    MaskBit.COSMIC_RAY: "#ffe119",
    MaskBit.TRAIL: "#3cb44b",
    MaskBit.NO_DATA: "#000000",
}
"""In the order of painting: what is worse is painted over what is less."""


def diagnostics_picture(frame: Frame, details: dict[str, object]) -> bytes:
    """Draw mask planes, PSF, its width over the frame, and astrometric residuals.

    Parameters
    ----------
    frame
        Processed.
    details
        As `science.processing.diagnostics.FrameDiagnostics.details` holds them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.9), dpi=DPI, layout="constrained")
    mask_axes, psf_axes, width_axes, offset_axes = figure.subplots(1, 4)
    draw_masks(mask_axes, frame.data, frame.mask)
    if frame.psf is not None:
        _psf(psf_axes, frame.psf.centre)
    _widths(width_axes, details)
    _offsets(offset_axes, details)
    return palette_png(figure)


def palette_png(figure: Figure) -> bytes:
    """Return a figure as a PNG with a palette: a third of the bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Pillow.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    buffer = io.BytesIO()
    drawn.quantize(64).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def draw_masks(axes: Axes, data: Image, mask: Mask) -> None:
    """Draw a frame in grey with its mask planes in colour."""
    step = max(1, int(np.ceil(max(data.shape) / MAX_SIDE)))
    ny, nx = (side // step * step for side in data.shape)
    blocks = (ny // step, step, nx // step, step)
    small = data[:ny:step, :nx:step]
    low, middle = np.percentile(small, [15.87, 50])
    sigma = max(float(middle - low), 1e-6)
    grey = 0.2 + 0.8 * np.arcsinh(small / (2 * sigma)) / np.arcsinh(60)
    shown = np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=2)
    # Any pixel of a block shows: a cosmic ray must not fall between the samples.
    bits = np.bitwise_or.reduce(mask[:ny, :nx].reshape(blocks), axis=(1, 3))
    for bit, colour in COLOURS.items():
        there = (bits & np.uint16(bit)) != 0
        if there.any():
            shown[there] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            axes.plot([], [], "s", ms=4, color=colour, label=str(bit.name).lower())
    axes.imshow(shown, origin="lower", interpolation="nearest")
    axes.set_title("mask planes", fontsize=9)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
    bare(axes)


def _psf(axes: Axes, stamp: Image) -> None:
    axes.imshow(np.sqrt(np.maximum(stamp, 0)), origin="lower", cmap="gray", interpolation="nearest")
    axes.set_title("PSF (square root)", fontsize=9)
    bare(axes)


def _widths(axes: Axes, details: dict[str, object]) -> None:
    grid = _grid(details, "psf", "fwhm_px")
    axes.set_title(heading(f"{FWHM.label} over the frame", FWHM.unit), fontsize=9)
    bare(axes)
    if grid is None:
        return
    shown = axes.imshow(grid, origin="lower", cmap="viridis")
    axes.figure.colorbar(shown, ax=axes, shrink=0.8)
    ellipticity, angle = (_grid(details, "psf", n) for n in ("ellipticity", "angle_rad"))
    if ellipticity is None or angle is None:
        return
    y, x = np.mgrid[: len(grid), : len(grid)]
    axes.quiver(
        x,
        y,
        ellipticity * np.cos(angle),
        ellipticity * np.sin(angle),
        color="white",
        headwidth=1,
        headlength=0,
        headaxislength=0,
        pivot="mid",
        scale=1.5,
        width=0.01,
    )


def _offsets(axes: Axes, details: dict[str, object]) -> None:
    dx, dy = (_grid(details, "astrometry", n) for n in ("dx_px", "dy_px"))
    axes.set_title("residuals of the stars", fontsize=9)
    bare(axes)
    if dx is None or dy is None:
        return
    y, x = np.mgrid[: len(dx), : len(dx)]
    axes.set(xlim=(-0.7, len(dx) - 0.3), ylim=(-0.7, len(dx) - 0.3), aspect="equal")
    axes.plot(x.ravel(), y.ravel(), ".", ms=3, color=FAINT)
    arrows = axes.quiver(x, y, dx, dy, color=ACCENT, scale=0.5, width=0.01)
    axes.quiverkey(arrows, 0.5, -0.06, 0.05, "0.05 px", labelpos="E", coordinates="axes")


def _grid(details: dict[str, object], part: str, name: str) -> NDArray[np.float64] | None:
    values = details.get(part)
    if not isinstance(values, dict) or name not in values:
        return None
    return np.array(
        [[np.nan if v is None else v for v in row] for row in values[name]],
        dtype=np.float64,
    )


def bare(axes: Axes) -> None:
    """Take the ticks away: pixels and grids need no numbers."""
    axes.set_xticks([])
    axes.set_yticks([])
