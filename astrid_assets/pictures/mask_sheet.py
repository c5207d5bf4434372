"""Cutouts with the masks that a network drew on them, many in one PNG, by Pillow.

Each tile is science | reference | score | mask: the fourth panel shows the probability
of each pixel in grey, with the training mask's edge in yellow.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from astrid_assets.pictures.thumbnails import POSITIVE, grey_triplet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts

COLUMNS = 2
CAPTION_PX = 12
GAP_PX = 4
PAPER = 255


def mask_sheet(
    cutouts: Cutouts,
    masks: NDArray[np.float32],
    truth: NDArray[np.uint8],
    captions: Sequence[str],
) -> bytes:
    """Draw cutouts beside predicted masks, `COLUMNS` to a row.

    Parameters
    ----------
    cutouts : (n, 3, ny, nx), n at least 1
    masks : (n, side, side), 0 to 1
        The middle of each cutout, where the network sees less than all of it.
    truth : (n, ny, nx), 1 inside a real source
    captions
        One line above each.
    """
    tiles = [_tile(*parts) for parts in zip(cutouts, masks, truth, captions, strict=True)]
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // COLUMNS)
    columns = min(COLUMNS, len(tiles))
    sheet = np.full(
        (rows * (height + GAP_PX), columns * (width + GAP_PX), 3), PAPER, dtype=np.uint8
    )
    for index, tile in enumerate(tiles):
        y, x = divmod(index, COLUMNS)
        top, left = y * (height + GAP_PX), x * (width + GAP_PX)
        sheet[top : top + height, left : left + width] = tile
    buffer = io.BytesIO()
    drawn = Pillow.fromarray(sheet).quantize(128, method=Pillow.Quantize.FASTOCTREE)
    drawn.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _tile(
    cutout: NDArray[np.float32],
    mask: NDArray[np.float32],
    truth: NDArray[np.uint8],
    caption: str,
) -> NDArray[np.uint8]:
    triplet = grey_triplet(cutout)
    side = cutout.shape[-1]
    shown = np.zeros((side, side), dtype=np.float32)
    start = side // 2 - mask.shape[-1] // 2
    shown[start : start + mask.shape[-1], start : start + mask.shape[-1]] = mask
    panel = np.repeat((np.clip(shown, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
    panel[_edge(truth.astype(bool))] = POSITIVE
    gap = np.full((side, 1, 3), PAPER, dtype=np.uint8)
    # Row 0 is the bottom of a FITS image.
    body = np.concatenate([np.repeat(triplet[..., None], 3, axis=2), gap, panel[::-1]], axis=1)
    head = Pillow.new("RGB", (body.shape[1], CAPTION_PX), (PAPER, PAPER, PAPER))
    ImageDraw.Draw(head).text((1, 0), caption, fill=(31, 41, 55))
    return np.concatenate([np.asarray(head), body])


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask that have a neighbour outside it."""
    padded = np.pad(inside, 1)
    surrounded = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~surrounded
