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
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from astrid_assets.learning.settings import CHANNELS, Activation, NetworkSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

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


ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


class ConvPair(nn.Sequential):
    """Two 3×3 convolutions, each normalised and activated; the size stays."""

    def __init__(self, in_channels: int, out_channels: int, activation: Activation) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            ACTIVATIONS[activation](),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            ACTIVATIONS[activation](),
        )


class Window(nn.Module):
    """The channels and the central pixels that a network sees of a cutout."""

    def __init__(self, channels: list[str], size: int) -> None:
        super().__init__()
        self.channels = [CHANNELS.index(name) for name in channels]
        self.size = size

    def forward(self, cutouts: Tensor) -> Tensor:
        """Return the window, ``(B, C, size, size)``; smaller cutouts stay whole."""
        if self.channels != list(range(cutouts.shape[1])):
            cutouts = cutouts[:, self.channels]
        return central(cutouts, self.size)


def central(stack: Tensor, size: int) -> Tensor:
    """Return the central pixels, ``(..., size, size)``; smaller stacks stay whole.

    What is at ``[side // 2, side // 2]`` comes to ``[size // 2, size // 2]``.
    """
    side = stack.shape[-1]
    if side <= size:
        return stack
    start = side // 2 - size // 2
    return stack[..., start : start + size, start : start + size]


class UNet(nn.Module):
    """U-Net on cutouts whose sides are multiples of ``2 ** depth``.

    Parameters
    ----------
    settings
        Filters of the first level (each deeper one has twice as many), depth (how
        often the image is halved), activation, and dropout of the deepest level.

    References
    ----------
    Ronneberger, Fischer & Brox 2015, MICCAI, arXiv:1505.04597.
    """

    def __init__(self, settings: NetworkSettings | None = None) -> None:
        super().__init__()
        settings = settings or NetworkSettings()
        base, depth, activation = settings.base_filters, settings.depth, settings.activation
        widths = [base * 2**level for level in range(depth + 1)]
        self.compress = CompressCutouts()
        self.first = ConvPair(len(settings.channels), widths[0], activation)
        self.down = nn.ModuleList(
            ConvPair(narrow, wide, activation) for narrow, wide in pairwise(widths)
        )
        self.dropout = nn.Dropout2d(settings.dropout)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 2, stride=2)
            for narrow, wide in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.merge = nn.ModuleList(
            ConvPair(2 * narrow, narrow, activation) for narrow in widths[-2::-1]
        )
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
        x = self.dropout(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))  # and up again
        return self.head(x)  # (B, 1, H, W)


class Ensemble(nn.Module):
    """Networks of different seeds as one: the mean of their logits.

    The mean of logits, not of probabilities: a temperature that divides it calibrates
    the whole, and one member that is sure does not silence the others.

    Parameters
    ----------
    members
        Networks of one shape.
    settings
        That shape.
    """

    def __init__(self, members: Sequence[nn.Module], settings: NetworkSettings) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.settings = settings
        self.window = Window(settings.channels, settings.size)

    def forward(self, cutouts: Tensor) -> Tensor:
        """Return the mask's logits of whole cutouts, ``(B, 1, size, size)``."""
        seen = self.window(cutouts)
        logits = [member(seen) for member in self.members]
        return torch.stack(logits).mean(dim=0) if len(logits) > 1 else logits[0]


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
