"""The U-Net: cutouts in, one logit per pixel and one per cutout out.

The preprocessing belongs to the network, so whoever runs it, in torch or in ONNX
Runtime, hands in the same plain cutouts: science and reference in units of the sky
sigma, score in sigma. Batch normalisation, not group normalisation: once trained it
is a fixed affine map of each pixel, so that a pixel's mask does not depend on how
bright something else in the cutout is, and ONNX Runtime folds it into the
convolutions.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

CENTRE_RADIUS_PX = 4
"""The candidate's score is the highest mask logit within this many pixels of the
centre: half a wide PSF, and more than a centroid is ever off."""

FOREGROUND_FRACTION = 0.005
"""Expected share of mask pixels; the head starts there instead of at one half."""

MISSING_FROM = 1e20
"""Values from here on, of either sign, are how some files say "no data"."""

INPUT_LIMIT_SIGMA = 1e6
"""Brighter pixels are clipped; their squares stay exact enough in float32."""


class CompressCutouts(nn.Module):
    """Arcsinh of each channel: linear in the noise, logarithmic in the stars."""

    def forward(self, x: Tensor) -> Tensor:
        """Compress; missing pixels (NaN, infinite, absurd) read as blank sky."""
        # A comparison with NaN is false.
        x = torch.where(torch.abs(x) < MISSING_FROM, x, torch.zeros_like(x))
        x = torch.clamp(x, -INPUT_LIMIT_SIGMA, INPUT_LIMIT_SIGMA)
        # asinh(x) = sign(x) log(|x| + sqrt(x² + 1)): written out because float32
        # asinh of large negative numbers cancels in some runtimes.
        size = torch.abs(x)
        return torch.sign(x) * torch.log(size + torch.sqrt(size * size + 1.0))


class ConvPair(nn.Sequential):
    """Two 3×3 convolutions, each normalised and rectified; the size stays."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """U-Net on cutouts whose sides are multiples of ``2 ** depth``.

    Parameters
    ----------
    in_channels
        Science, reference, score.
    base_filters
        Filters of the first level; each deeper level has twice as many.
    depth
        Number of times the image is halved.

    References
    ----------
    Ronneberger, Fischer & Brox 2015, MICCAI, arXiv:1505.04597.
    """

    def __init__(self, in_channels: int = 3, base_filters: int = 8, depth: int = 3) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.base_filters = base_filters
        self.depth = depth
        widths = [base_filters * 2**level for level in range(depth + 1)]
        self.compress = CompressCutouts()
        self.first = ConvPair(in_channels, widths[0])
        self.down = nn.ModuleList(ConvPair(narrow, wide) for narrow, wide in pairwise(widths))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 2, stride=2)
            for narrow, wide in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.merge = nn.ModuleList(ConvPair(2 * narrow, narrow) for narrow in widths[-2::-1])
        self.head = nn.Conv2d(widths[0], 1, 1)
        self.pool = nn.MaxPool2d(2)
        odds = FOREGROUND_FRACTION / (1.0 - FOREGROUND_FRACTION)
        nn.init.constant_(cast("Tensor", self.head.bias), math.log(odds))

    def forward(self, cutouts: Tensor) -> Tensor:
        """Return the mask's logits, ``(B, 1, H, W)``."""
        x = self.first(self.compress(cutouts))  # (B, F, H, W)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(self.pool(x))  # (B, 2F, H/2, W/2) and so on down
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))  # and up again
        return self.head(x)  # (B, 1, H, W)


def centre_disc(radius_px: int = CENTRE_RADIUS_PX) -> np.ndarray:
    """Return the pixels that count for the score, ``(2r+1, 2r+1)`` booleans."""
    y, x = np.mgrid[-radius_px : radius_px + 1, -radius_px : radius_px + 1]
    return x**2 + y**2 <= radius_px**2


def centre_logit(logits: Tensor) -> Tensor:
    """Return the highest logit near the centre, ``(B,)``: the candidate's own.

    Parameters
    ----------
    logits : (B, 1, H, W)
        The candidate sits at ``[H // 2, W // 2]``.
    """
    y0 = logits.shape[-2] // 2 - CENTRE_RADIUS_PX
    x0 = logits.shape[-1] // 2 - CENTRE_RADIUS_PX
    side = 2 * CENTRE_RADIUS_PX + 1
    middle = logits[:, 0, y0 : y0 + side, x0 : x0 + side]  # (B, 9, 9)
    # Indices, not a boolean mask: they export to a plain Gather.
    inside = torch.from_numpy(np.flatnonzero(centre_disc()))
    return middle.flatten(1).index_select(1, inside.to(logits.device)).amax(dim=1)
