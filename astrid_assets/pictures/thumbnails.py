"""Small PNG pictures of frames, differences and cutouts, by Pillow.

Pillow draws one in a few milliseconds; plots with axes are in `plots` (matplotlib).
North is not turned up here: a picture shows the pixels as they are, first row below.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts, Image

    Marks: TypeAlias = Iterable[tuple[float, float, int]]
    Mask: TypeAlias = NDArray[np.integer]

TRIPLET_SIDE = 200
MAX_SIDE = 300  # pixels; a picture stays below some 30 kB in Dagster's event log
SCORE_RANGE_SIGMA = 8.0
GAP = 4
MASKED = (96, 24, 32)
POSITIVE = (255, 196, 0)
NEGATIVE = (0, 200, 255)


def frame_picture(
    image: Image, mask: Mask | None = None, *, marks: Marks = (), side: int = MAX_SIDE
) -> bytes:
    """Draw a frame on an asinh scale with masked pixels in red: PNG bytes.

    `marks` are (x, y, sign) in pixels: yellow circles for sign 1, blue for -1.
    """
    step = max(1, int(np.ceil(max(image.shape) / side)))
    small = image[::step, ::step]
    stretched = np.arcsinh(small / (2 * _robust_sigma(image))) / np.arcsinh(60)
    picture = _coloured(_grey(0.12 + 0.88 * stretched), mask, step)
    return _png(_marked(picture, marks, step))


def score_picture(
    score: Image, mask: Mask | None = None, *, marks: Marks = (), side: int = MAX_SIDE
) -> bytes:
    """Draw a score image, linear from -8 to +8 sigma, zero in mid-grey: PNG bytes."""
    step = max(1, int(np.ceil(max(score.shape) / side)))
    # The brightest pixel of each block, so that a point source is never skipped.
    small = _extreme_of_blocks(score, step)
    picture = _coloured(_grey(0.5 + small / (2 * SCORE_RANGE_SIGMA)), mask, step)
    return _png(_marked(picture, marks, step))


def triplet_picture(
    science: Image, reference: Image, difference: Image, mask: Mask | None = None
) -> bytes:
    """Draw science, reference and difference side by side on one scale: PNG bytes."""
    step = max(1, int(np.ceil(max(science.shape) / TRIPLET_SIDE)))
    sigma = _robust_sigma(science)
    panels = [
        np.clip(0.12 + 0.88 * np.arcsinh(image / (2 * sigma)) / np.arcsinh(60), 0, 1)
        for image in (science, reference)
    ]
    panels.append(0.5 + _extreme_of_blocks(difference, step) / (20 * sigma))
    shrunk = [panels[0][::step, ::step], panels[1][::step, ::step], panels[2]]
    height = min(panel.shape[0] for panel in shrunk)
    width = min(panel.shape[1] for panel in shrunk)
    coloured = [_coloured(_grey(panel[:height, :width]), mask, step)[::-1] for panel in shrunk]
    gap = np.full((height, GAP, 3), 255, dtype=np.uint8)
    return _png(
        Pillow.fromarray(np.concatenate([coloured[0], gap, coloured[1], gap, coloured[2]], axis=1))
    )


def cutout_sheet(cutouts: Cutouts, *, columns: int = 6, zoom: int = 1) -> bytes:
    """Draw triplets science | reference | score side by side, many in one PNG."""
    tiles = [grey_triplet(cutout) for cutout in cutouts]
    if not tiles:
        raise ValueError("no cutouts to draw")
    rows = [
        _joined(tiles[i : i + columns], axis=1, blank=columns)
        for i in range(0, len(tiles), columns)
    ]
    sheet = _joined(rows, axis=0, blank=len(rows))
    if zoom > 1:
        sheet = np.kron(sheet, np.ones((zoom, zoom), dtype=np.uint8))
    return _png(Pillow.fromarray(sheet))


def _robust_sigma(image: Image) -> float:
    """Return the scatter of the sky from the faint half of the pixels."""
    low, middle = np.percentile(image[::4, ::4], [15.87, 50])
    return max(float(middle - low), 1e-6)


def grey_triplet(cutout: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return science | reference | score of a cutout in grey, first row above."""
    science, reference, score = cutout
    level = max(float(np.percentile(np.abs(science), 99.5)), 5.0)
    panels = [
        _grey(0.15 + 0.85 * np.arcsinh(science) / np.arcsinh(level)),
        _grey(0.15 + 0.85 * np.arcsinh(reference) / np.arcsinh(level)),
        _grey(0.5 + score / (2 * SCORE_RANGE_SIGMA)),
    ]
    return _joined([panel[::-1] for panel in panels], axis=1, blank=3, gap=1)


def _joined(
    tiles: Sequence[NDArray[np.uint8]], *, axis: int, blank: int, gap: int = GAP
) -> NDArray[np.uint8]:
    height, width = tiles[0].shape
    shape = (height, gap) if axis == 1 else (gap, width)
    parts: list[NDArray[np.uint8]] = []
    for index in range(blank):
        tile = tiles[index] if index < len(tiles) else np.zeros_like(tiles[0])
        parts += [tile, np.full(shape, 255, dtype=np.uint8)]
    return np.concatenate(parts[:-1], axis=axis)


def _extreme_of_blocks(image: Image, step: int) -> Image:
    ny, nx = (side // step * step for side in image.shape)
    blocks = image[:ny, :nx].reshape(ny // step, step, nx // step, step)
    high, low = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    return np.where(high > -low, high, low)


def _grey(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    return (np.clip(np.nan_to_num(unit), 0, 1) * 255).astype(np.uint8)


def _coloured(grey: NDArray[np.uint8], mask: Mask | None, step: int) -> NDArray[np.uint8]:
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    if mask is not None:
        hidden = mask[::step, ::step][: grey.shape[0], : grey.shape[1]] != 0
        picture[hidden] = (0.5 * picture[hidden] + 0.5 * np.array(MASKED)).astype(np.uint8)
    return picture


def _marked(picture: NDArray[np.uint8], marks: Marks, step: int) -> Pillow.Image:
    # Row 0 is the bottom of a FITS image.
    drawn = Pillow.fromarray(np.ascontiguousarray(picture[::-1]))
    pen = ImageDraw.Draw(drawn)
    height = picture.shape[0]
    for x, y, sign in marks:
        u, v = x / step, height - 1 - y / step
        colour = POSITIVE if sign > 0 else NEGATIVE
        pen.ellipse((u - 5, v - 5, u + 5, v + 5), outline=colour)
    return drawn


def _png(picture: Pillow.Image) -> bytes:
    # A palette is a third of the bytes; an octree keeps the colour of a lone star,
    # which median cut would merge into the sky.
    if picture.mode == "RGB":
        picture = picture.quantize(128, method=Pillow.Quantize.FASTOCTREE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
