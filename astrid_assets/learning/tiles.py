"""The mask of a whole frame, by tiles that overlap: as if the network saw the frame at once.

A pixel of the mask depends on what lies within the network's reach of it. Tiles overlap by
that much on every side, and of each only the inside is kept; they begin where the network's
own grid of halved images does. So the result is that of the whole frame, in the memory of
one tile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from astrid_assets.learning.inference import UnusableModel
from astrid_assets.learning.unet import Ensemble, UNet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from astrid_assets.learning.calibration import ScoreCalibration
    from astrid_assets.science.arrays.types import Image

TILE_PX = 512
"""Side of what is kept of a tile."""


def frame_mask(
    network: Ensemble,
    calibration: ScoreCalibration,
    planes: NDArray[np.float32],
    *,
    tile_px: int = TILE_PX,
) -> Image:
    """Return the probability of each pixel to belong to something real, (ny, nx).

    Parameters
    ----------
    planes : (3, ny, nx)
        Science, reference and score, as in cutouts; NaN counts as blank sky.
    tile_px
        Side of what is kept of a tile; rounded up to the network's grid.

    Raises
    ------
    UnusableModel
        If the network draws no masks.
    """
    members = [member for member in network.members if isinstance(member, UNet)]
    if len(members) < len(network.members):
        raise UnusableModel("this network scores cutouts and draws no mask: train a U-Net")
    grid, reach = 2**network.settings.depth, reach_px(network.settings.depth)
    _, ny, nx = planes.shape
    # Blank sky up to the network's grid, as its convolutions see beyond any edge.
    padded = np.pad(planes, ((0, 0), (0, -ny % grid), (0, -nx % grid)))[network.window.channels]
    height, width = ny + -ny % grid, nx + -nx % grid
    mask = np.empty((height, width), dtype=np.float32)
    with torch.inference_mode():
        for (top, bottom), (left, right) in _tiles(height, width, tile_px, grid):
            y0, x0 = max(top - reach, 0), max(left - reach, 0)
            around = padded[None, :, y0 : bottom + reach, x0 : right + reach]
            seen = torch.from_numpy(np.ascontiguousarray(around))
            logits = torch.stack([member(seen).mask for member in members]).mean(dim=0)
            found = torch.sigmoid(logits / calibration.temperature + calibration.offset)[0, 0]
            mask[top:bottom, left:right] = found[
                top - y0 : bottom - y0, left - x0 : right - x0
            ].numpy()
    return mask[:ny, :nx]


def reach_px(depth: int) -> int:
    """Return how far from a pixel of the mask the network sees, rounded up to its grid.

    On each level two convolutions on the way down and two on the way up see one pixel
    further each, a pixel that is ``2**level`` wide; halving and doubling add one such
    pixel each.
    """
    sides = sum(4 * 2**level + 2 * 2**level for level in range(depth)) + 2 * 2**depth
    grid = 2**depth
    return -(-sides // grid) * grid


def _tiles(
    height: int, width: int, tile_px: int, grid: int
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    step = -(-tile_px // grid) * grid
    for top in range(0, height, step):
        for left in range(0, width, step):
            yield (top, min(top + step, height)), (left, min(left + step, width))
