"""How the README's pictures are read and drawn; what they show is in `pictures`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image as Pillow

from astrid_assets.science.frame import Frame
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.storage.fits.cards import data_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Image = NDArray[np.float32]

DPI = 100
PANEL_INCH = 3.0
MASK_COLOURS = {
    MaskBit.HALO: "#4363d8",
    MaskBit.SPIKE: "#911eb4",
    MaskBit.SATURATED: "#e6194b",
    MaskBit.BLEEDING: "#f58231",
    MaskBit.COSMIC_RAY: "#ffe119",
    MaskBit.TRAIL: "#3cb44b",
}
"""In the order of painting: what is worse is painted over what is less."""


Panel = tuple["Image", str] | tuple["Image", str, "NDArray[np.uint16]"]


def saao(data: Path, name: str) -> Frame:
    """Read a frame of the microlensing series in electrons."""
    return frame_of(data / "saao_microlensing" / name, gain=1.9, saturation_e=1.8 * 62_000)


def pixels(path: Path) -> Image:
    """Return the first image of a file as float32."""
    with warnings.catch_warnings():
        # Headers of these sets hold cards that strict readers complain about.
        warnings.simplefilter("ignore")
        with fits.open(path) as hdus:
            images = (data_of(hdus, index) for index in range(len(hdus)))
            return next(image for image in images if image is not None).astype(np.float32)


def frame_of(path: Path, *, gain: float = 1.0, saturation_e: float = np.inf) -> Frame:
    """Return an image as a frame in electrons, without a WCS."""
    data = pixels(path) * np.float32(gain)
    return Frame(
        frame_id=path.name,
        data=data,
        mask=np.zeros(data.shape, np.uint16),
        observed_mjd=56500.0,
        exposure_s=60.0,
        band="x",
        gain_e_per_adu=gain,
        saturation_e=saturation_e,
    )


def draw_row(path: Path, panels: Sequence[Panel], scale: str = "sky") -> None:
    """Draw panels side by side; `sky`: one asinh scale about zero, in sky sigmas.

    `flat`: linear between the 2nd and 98th percentile of each panel; `same`: linear,
    all panels as wide as the first; `own`: asinh for each panel.
    """
    figure = Figure(
        figsize=(PANEL_INCH * len(panels), PANEL_INCH + 0.3), dpi=DPI, layout="constrained"
    )
    first = panels[0][0]
    low, middle = np.nanpercentile(first, [15.87, 50])
    sigma = max(float(middle - low), 1e-6)
    if scale == "same":
        sigma = float(np.ptp(np.nanpercentile(first, [2, 98])))
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        _panel(axes, panel, scale, sigma)
    save(figure, path)


def save(figure: Figure, path: Path, colours: int = 96) -> None:
    """Write a figure as a small PNG."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    # A palette takes a third of the bytes.
    drawn = Pillow.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    drawn.quantize(colours).save(path, optimize=True)


def _panel(axes: Axes, panel: Panel, scale: str, sigma: float) -> None:
    image = panel[0]
    low, middle, high = np.nanpercentile(image, [2, 50, 98])
    if scale == "flat":
        grey = (image - low) / max(high - low, 1e-9)
    elif scale == "same":
        grey = 0.5 + (image - middle) / max(sigma, 1e-9)
    elif scale == "own":
        own = max(float(middle - low) / 2, 1e-6)
        grey = 0.2 + 0.8 * np.arcsinh((image - middle) / (2 * own)) / np.arcsinh(60)
    else:
        grey = 0.25 + 0.75 * np.arcsinh(image / (2 * sigma)) / np.arcsinh(60)
    if image.shape[0] < 100:  # a PSF has a scale of its own
        grey = image / image.max()
    shown = np.repeat(np.clip(np.nan_to_num(grey), 0, 1)[..., None], 3, axis=2)
    if len(panel) == 3:
        for bit, colour in MASK_COLOURS.items():
            there = (panel[2] & np.uint16(bit)) != 0
            shown[there] = 0.35 * shown[there] + 0.65 * np.array(to_rgb(colour))
            if there.any():
                axes.plot([], [], "s", color=colour, label=str(bit.name).lower())
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, loc="upper right", framealpha=0.8)
    axes.imshow(shown, origin="lower", interpolation="nearest")
    axes.set_title(panel[1], fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
