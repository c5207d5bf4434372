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
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from astrid_assets.learning.settings import CHANNELS, Activation, NetworkSettings
from astrid_assets.science.detection.measurements import MEASUREMENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.detection.measurements import Measurements

CENTRE_RADIUS_PX = 4
"""The candidate's score is the highest mask logit within this many pixels of the
centre: half a wide PSF, and more than a centroid is ever off."""

FOREGROUND_FRACTION = 0.005
"""Expected share of mask pixels; the head starts there instead of at one half."""

MISSING_FROM = 1e20
"""Values from here on, of either sign, are how some files say "no data"."""

INPUT_LIMIT_SIGMA = 1e6
"""Brighter pixels are clipped; their squares stay exact enough in float32."""


HIDDEN = 128
"""Width of the two layers that weigh measurements against pixels."""

LIMIT_SPREADS = 4.0
"""A measurement further from the middle than so many spreads is taken for that far."""

LOGIT_UNIT = 5.0
"""Logits are divided by it where they stand beside measurements in units of their spread."""


class Logits(NamedTuple):
    """What a network says: of each pixel ``(B, 1, H, W)``, and of the candidate ``(B,)``."""

    mask: Tensor
    score: Tensor


class CandidateHead(nn.Module):
    """The candidate's logit: what the pixels say, corrected by what was measured.

    Measurements are brought to a common scale by middle and spread of the training rows,
    which are part of the network. What is missing counts as nothing, not as zero: for each
    number the network knows whether there is one.

    Parameters
    ----------
    names
        Which of `MEASUREMENTS`; with none the pixels decide alone.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        every = list(MEASUREMENTS)
        self.columns = [every.index(name) for name in names]
        count = len(names)
        self.register_buffer("middle", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))
        self.correction = nn.Sequential()
        if not count:
            return
        last = nn.Linear(HIDDEN, 1)
        # Training begins with what the pixels say.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.correction = nn.Sequential(
            nn.Linear(2 * count + 1, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            last,
        )

    def learn_scale(self, measurements: Measurements) -> None:
        """Take middle (median) and spread (half the central 68 %) of the training rows.

        Parameters
        ----------
        measurements : (n, len(MEASUREMENTS))
        """
        for place, column in enumerate(self.columns):
            known = measurements[:, column]
            known = known[np.isfinite(known)]
            if not len(known):
                continue
            low, middle, high = np.percentile(known, [15.87, 50.0, 84.13])
            self.middle[place] = float(middle)
            if high > low:
                self.spread[place] = float(high - low) / 2

    def forward(self, from_pixels: Tensor, measurements: Tensor | None) -> Tensor:
        """Return the candidate's logit, ``(B,)``.

        Parameters
        ----------
        from_pixels : (B,)
            Highest logit of the mask near the centre.
        measurements : (B, len(MEASUREMENTS))
        """
        if not self.columns:
            return from_pixels
        if measurements is None:
            some = from_pixels.new_full((len(from_pixels), len(self.columns)), torch.nan)
        else:
            some = measurements[:, self.columns]
        # A comparison with NaN is false.
        known = torch.abs(some) < MISSING_FROM
        some = torch.where(known, some, self.middle)
        some = torch.clamp((some - self.middle) / self.spread, -LIMIT_SPREADS, LIMIT_SPREADS)
        beside = torch.cat([some, known.to(some.dtype), from_pixels[:, None] / LOGIT_UNIT], dim=1)
        return from_pixels + self.correction(beside)[:, 0]


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
        self.candidate = CandidateHead(settings.measurements)
        self.pool = nn.MaxPool2d(2)
        odds = FOREGROUND_FRACTION / (1.0 - FOREGROUND_FRACTION)
        nn.init.constant_(cast("Tensor", self.head.bias), math.log(odds))

    def forward(self, cutouts: Tensor, measurements: Tensor | None = None) -> Logits:
        """Return the logits of mask and candidate.

        Parameters
        ----------
        cutouts : (B, C, H, W)
        measurements : (B, len(MEASUREMENTS))
            NaN: not measured; None: nothing was.
        """
        x = self.first(self.compress(cutouts))  # (B, F, H, W)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(self.pool(x))  # (B, 2F, H/2, W/2) and so on down
        x = self.dropout(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))  # and up again
        mask = self.head(x)  # (B, 1, H, W)
        return Logits(mask, self.candidate(centre_logit(mask), measurements))


class Ensemble(nn.Module):
    """Networks of different seeds as one: the mean of their logits, of mask and candidate.

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

    def forward(self, cutouts: Tensor, measurements: Tensor | None = None) -> Logits:
        """Return the logits of whole cutouts: mask ``(B, 1, size, size)``, score ``(B,)``."""
        seen = self.window(cutouts)
        logits = [member(seen, measurements) for member in self.members]
        if len(logits) == 1:
            return logits[0]
        return Logits(
            torch.stack([one.mask for one in logits]).mean(dim=0),
            torch.stack([one.score for one in logits]).mean(dim=0),
        )


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
