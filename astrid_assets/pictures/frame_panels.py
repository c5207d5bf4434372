"""Frames side by side with marks, as a figure for notebooks and files.

By matplotlib, imported when one is drawn. Row 0 is at the bottom, as in FITS viewers.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

DPI = 100
PANEL_INCHES = 3.6
MAX_SIDE_PX = 900
"""Larger frames are drawn from blocks; a panel has fewer dots than that."""
RISEN, FADED, MASKED = "#ffb000", "#00c8ff", "#b91c1c"
MASK_ALPHA = 0.45
SIGNIFICANCE_RANGE = 8.0  # sigma
DIFFERENCE_RANGE = 10.0  # of the noise of its sky
BRIGHTEST = 60.0  # of twice the sky's noise, the white end of the asinh scale


@dataclass(frozen=True)
class Panel:
    """One image, (ny, nx), and how it is shown.

    `scale` is ``sky`` (asinh, from the noise of the sky) or ``symmetric`` (linear
    about zero, `limit` at both ends).
    """

    title: str
    image: Image
    scale: str = "sky"
    limit: float | None = None


@dataclass(frozen=True)
class Mark:
    """A circle at a position in pixels; `sign` is 1 for what rose, -1 for what faded."""

    x: float
    y: float
    sign: int


def panels_figure(
    panels: Sequence[Panel],
    *,
    title: str = "",
    masked: NDArray[np.bool_] | None = None,
    marks: Sequence[Mark] = (),
) -> Figure:
    """Return a figure of the panels in a row; a notebook shows it as a picture.

    Parameters
    ----------
    panels
        Images of one shape.
    title
        Above all panels.
    masked : (ny, nx)
        True where pixels are not used; painted red.
    marks
        Circles, on every panel.
    """
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that shows itself in notebooks without pyplot."""

        def _repr_png_(self) -> bytes:
            return png_of(self)

    ny, nx = panels[0].image.shape
    height = PANEL_INCHES * min(max(ny / nx, 0.3), 2.0)
    figure = ShownFigure(
        figsize=(PANEL_INCHES * len(panels), height + 0.7), dpi=DPI, layout="constrained"
    )
    row = np.atleast_1d(figure.subplots(1, len(panels), sharex=True, sharey=True))
    for axes, panel in zip(row, panels, strict=True):
        _draw(axes, panel, masked)
        axes.set_title(panel.title, fontsize=9)
        for mark in marks:
            colour = RISEN if mark.sign > 0 else FADED
            axes.plot(mark.x, mark.y, "o", ms=12, mfc="none", mec=colour, mew=1.2)
        axes.set(xlim=(-0.5, nx - 0.5), ylim=(-0.5, ny - 0.5))
        axes.tick_params(labelsize=7)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def png_of(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file; equal figures are equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw(axes: Axes, panel: Panel, masked: NDArray[np.bool_] | None) -> None:
    ny, nx = panel.image.shape
    step = max(1, int(np.ceil(max(ny, nx) / MAX_SIDE_PX)))
    extent = (-0.5, nx - 0.5, -0.5, ny - 0.5)
    noise = _sky_noise(panel.image)
    if panel.scale == "sky":
        shown = np.arcsinh(panel.image[::step, ::step] / (2 * noise)) / np.arcsinh(BRIGHTEST)
        low, high = -0.15, 1.0
    else:
        # The strongest pixel of each block, so that no point source is skipped.
        limit = panel.limit if panel.limit is not None else DIFFERENCE_RANGE * noise
        shown, low, high = _strongest(panel.image, step), -limit, limit
    axes.imshow(
        shown, origin="lower", cmap="gray", vmin=low, vmax=high, extent=extent, aspect="equal"
    )
    if masked is not None and masked.any():
        paint = np.zeros((*masked[::step, ::step].shape, 4))
        paint[masked[::step, ::step]] = (*_rgb(MASKED), MASK_ALPHA)
        axes.imshow(paint, origin="lower", extent=extent, aspect="equal")


def _strongest(image: Image, step: int) -> Image:
    ny, nx = (side // step * step for side in image.shape)
    blocks = image[:ny, :nx].reshape(ny // step, step, nx // step, step)
    high, low = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    return np.where(high > -low, high, low)


def _sky_noise(image: Image) -> float:
    """Return the scatter of the sky from the faint half of the pixels."""
    finite = image[::3, ::3]
    finite = finite[np.isfinite(finite)]
    low, middle = np.percentile(finite, [15.87, 50]) if finite.size else (0.0, 1.0)
    return max(float(middle - low), 1e-6)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
