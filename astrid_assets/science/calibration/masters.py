"""Master bias, dark and flat: what the detector adds and how it responds.

All in electrons, as every frame of the project. How a master is applied is in
`calibrate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from astrid_assets.science.errors import FrameRejected, ScienceError, ShapeMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.frame import Image

CLIP_SIGMA = 4.0
"""Against the median over the stack: a cosmic ray or a star in a sky flat."""

STD_OF_MEDIAN_DEVIATION = 1.4826
BAND_ROWS = 128
"""Stacks are combined in bands of rows, to keep memory small."""

MIN_FLAT_LEVEL_E = 500.0
"""A flat fainter than this has more photon noise (4.5 %) than it corrects."""

Kind = Literal["bias", "dark", "flat"]


class NoFrames(ScienceError):
    """A master was asked for without frames to make it of."""

    code = "no_calibration_frames"


@dataclass(frozen=True, kw_only=True)
class Masters:
    """The masters that fit one frame; None where there is none.

    Attributes
    ----------
    bias : (ny, nx), electrons
    dark : (ny, nx), electrons per second, without bias
    flat : (ny, nx), median 1
    """

    bias: Image | None = None
    dark: Image | None = None
    flat: Image | None = None


def combine(
    frames: Sequence[Image],
    kind: Kind,
    *,
    bias: Image | None = None,
    dark: Image | None = None,
    exposures_s: Sequence[float] | None = None,
) -> Image:
    """Combine calibration frames into a master; outliers are left out per pixel.

    Parameters
    ----------
    frames : (ny, nx) each, electrons
    kind
        bias: mean; dark: mean of (frame - bias) / exposure; flat: mean of frames
        without bias and dark, each divided by its own level.
    bias : (ny, nx), electrons
    dark : (ny, nx), electrons per second
        Taken off flats; needs `exposures_s`.
    exposures_s : seconds
        One per frame; needed for darks.

    Returns
    -------
    master : (ny, nx)
        Electrons (bias), electrons per second (dark), median 1 (flat).

    Raises
    ------
    NoFrames
        Without frames, or when no flat is bright enough.
    ShapeMismatch
        If the frames differ in shape.
    """
    if not frames:
        raise NoFrames(f"no frames for a master {kind}")
    for image in (*frames, *(m for m in (bias, dark) if m is not None)):
        if image.shape != frames[0].shape:
            raise ShapeMismatch(frames[0].shape, image.shape)
    if kind == "bias":
        return clipped_mean(frames)
    if kind == "dark":
        return clipped_mean(_dark_rates(frames, bias, exposures_s))
    flats = _flat_fields(frames, bias, dark, exposures_s)
    flat = clipped_mean(flats)
    return (flat / np.nanmedian(flat)).astype(np.float32)


def clipped_mean(stack: Sequence[Image]) -> Image:
    """Mean over a stack without outliers; the median's robustness, less noise.

    Pixels without any finite value are NaN.
    """
    ny, nx = stack[0].shape
    out = np.empty((ny, nx), dtype=np.float32)
    for first in range(0, ny, BAND_ROWS):
        rows = slice(first, first + BAND_ROWS)
        band = np.stack([np.asarray(image[rows], dtype=np.float32) for image in stack])
        out[rows] = _clipped_mean(band)
    return out


def _clipped_mean(band: Image) -> Image:
    """Clip one band of rows, (n, rows, nx) → (rows, nx)."""
    valid = np.isfinite(band)
    held = np.ma.masked_array(band, ~valid)
    middle = np.ma.median(held, axis=0).filled(np.nan)
    away = np.abs(band - middle)
    scatter = np.ma.median(np.ma.masked_array(away, ~valid), axis=0).filled(np.nan)
    # Few frames scatter by chance less than they should: the band's typical
    # scatter is the floor, else good pixels would be clipped.
    finite = scatter[np.isfinite(scatter)]
    floor = float(np.median(finite)) if finite.size else 0.0
    sigma = STD_OF_MEDIAN_DEVIATION * np.maximum(scatter, floor)
    kept = valid & ((away <= CLIP_SIGMA * sigma) | (sigma == 0))
    count = kept.sum(axis=0)
    total = np.where(kept, band, 0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _dark_rates(
    frames: Sequence[Image], bias: Image | None, exposures_s: Sequence[float] | None
) -> list[Image]:
    """Bias-free dark current in electrons per second."""
    if bias is None:
        raise NoFrames(
            "a dark holds the bias too: give a master bias, or it cannot be scaled"
        )
    times = _times(frames, exposures_s)
    return [
        ((image - bias) / time).astype(np.float32)
        for image, time in zip(frames, times, strict=True)
    ]


def _flat_fields(
    frames: Sequence[Image], bias: Image | None, dark: Image | None,
    exposures_s: Sequence[float] | None,
) -> list[Image]:  # fmt: skip
    """Flats without bias and dark, each with median 1; faint ones are left out."""
    times = _times(frames, exposures_s) if dark is not None else [0.0] * len(frames)
    flats: list[Image] = []
    brightest = 0.0
    for image, time in zip(frames, times, strict=True):
        light = image.astype(np.float32)
        light = light - bias if bias is not None else light
        light = light - dark * time if dark is not None else light
        level = float(np.nanmedian(light))
        brightest = max(brightest, level)
        if level >= MIN_FLAT_LEVEL_E:
            flats.append((light / level).astype(np.float32))
    if not flats:
        raise NoFrames(
            f"the brightest flat has {brightest:.0f} e-, {MIN_FLAT_LEVEL_E:.0f} needed",
            level_e=brightest,
        )
    return flats


def _times(
    frames: Sequence[Image], exposures_s: Sequence[float] | None
) -> Sequence[float]:
    """Check the exposure times."""
    if exposures_s is None or len(exposures_s) != len(frames):
        raise FrameRejected(
            "no_exposure", "each dark needs its exposure time, or cannot be scaled"
        )
    if min(exposures_s) <= 0:
        raise FrameRejected(
            "no_exposure",
            f"an exposure of {min(exposures_s)} s cannot scale a dark",
            exposure_s=min(exposures_s),
        )
    return exposures_s
