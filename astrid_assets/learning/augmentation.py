"""Augmentation of a training batch: what the sky could equally well have shown.

Symmetries of the square, a small shift, more sky noise; when asked for, worse seeing,
brighter or fainter sources, and the same change backwards in time. Every batch gets a
generator of its own, made from seed, epoch and batch: a training that is resumed
draws exactly what it would have drawn. The draws are made on the CPU and moved, so
that a GPU draws the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from astrid_assets.learning.settings import CHANNELS

if TYPE_CHECKING:
    from astrid_assets.learning.settings import AugmentationSettings

SCIENCE, REFERENCE, SCORE = (CHANNELS.index(name) for name in ("science", "reference", "score"))
BLUR_REACH = 3.0
"""A blur's kernel ends here, in its largest sigma."""


def augment(
    images: Tensor, masks: Tensor, generator: torch.Generator, settings: AugmentationSettings
) -> tuple[Tensor, Tensor]:
    """Turn, shift, blur, scale, swap and roughen each cutout with its mask.

    Parameters
    ----------
    images : (B, 3, H, W)
        Square; science, reference, score.
    masks : (B, 1, H, W)

    Returns
    -------
    images, masks
        New tensors; the arguments are not changed.
    """
    if settings.turn:
        images, masks = _turn(images, masks, generator)
    if settings.shift_px:
        images, masks = _shift(images, masks, generator, settings.shift_px)
    if settings.blur_px:
        images = _blur(images, generator, settings.blur_px)
    if settings.flux_scale > 1:
        images = images * _factor(images, generator, settings.flux_scale)
    if settings.swap:
        images = _swap(images, generator, settings.swap)
    if settings.noise_sigma:
        images = _roughen(images, generator, settings.noise_sigma)
    return images, masks


def hide_measurements(
    measurements: Tensor, generator: torch.Generator, settings: AugmentationSettings
) -> Tensor:
    """Leave some cutouts without measurements: a network must do without them, too.

    Parameters
    ----------
    measurements : (B, M)
    """
    hidden = torch.rand((len(measurements), 1), generator=generator) < settings.unmeasured
    return measurements.masked_fill(hidden.to(measurements.device), torch.nan)


def _turn(images: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Apply one of the square's eight symmetries to each cutout."""
    which = torch.randint(8, (len(images),), generator=generator).to(images.device)
    images, masks = images.clone(), masks.clone()
    for symmetry in range(1, 8):
        chosen = torch.nonzero(which == symmetry).flatten()
        for stack in (images, masks):
            part = torch.rot90(stack[chosen], symmetry % 4, dims=(-2, -1))
            stack[chosen] = part.flip(-1) if symmetry >= 4 else part
    return images, masks


def _shift(
    images: Tensor, masks: Tensor, generator: torch.Generator, most_px: int
) -> tuple[Tensor, Tensor]:
    """Move each cutout by whole pixels; what comes in from outside is blank."""
    moves = torch.randint(-most_px, most_px + 1, (len(images), 2), generator=generator).tolist()
    height, width = images.shape[-2:]
    moved_images, moved_masks = torch.zeros_like(images), torch.zeros_like(masks)
    for index, (dy, dx) in enumerate(moves):
        to_y, from_y = _window(dy, height)
        to_x, from_x = _window(dx, width)
        moved_images[index, :, to_y, to_x] = images[index, :, from_y, from_x]
        moved_masks[index, :, to_y, to_x] = masks[index, :, from_y, from_x]
    return moved_images, moved_masks


def _window(move: int, size: int) -> tuple[slice, slice]:
    """Return target and source of a shift along one axis."""
    return (
        slice(max(move, 0), size + min(move, 0)),
        slice(max(-move, 0), size - max(move, 0)),
    )


def _blur(images: Tensor, generator: torch.Generator, most_px: float) -> Tensor:
    """Convolve all channels of a cutout with one Gaussian of random width."""
    batch, channels, height, width = images.shape
    reach = math.ceil(BLUR_REACH * most_px)
    sigma = most_px * torch.rand((batch, 1), generator=generator).clamp(min=0.05)
    offset = torch.arange(-reach, reach + 1, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).to(images.device)
    kernel = kernel.repeat_interleave(channels, dim=0)  # (B C, taps)
    # Each channel of each cutout is a group of its own.
    stack = images.reshape(1, batch * channels, height, width)
    for shape, padding in (
        ((-1, 1, 1, 2 * reach + 1), (0, reach)),
        ((-1, 1, 2 * reach + 1, 1), (reach, 0)),
    ):
        stack = conv2d(stack, kernel.reshape(shape), padding=padding, groups=batch * channels)
    return stack.reshape(images.shape)


def _factor(images: Tensor, generator: torch.Generator, largest: float) -> Tensor:
    """Return a factor per cutout, log-uniform from ``1 / largest`` to ``largest``."""
    exponent = 2 * torch.rand((len(images), 1, 1, 1), generator=generator) - 1
    return (largest**exponent).to(images.device)


def _swap(images: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """Let some changes happen backwards: what appeared disappears."""
    backwards = (torch.rand(len(images), generator=generator) < share).to(images.device)
    other = images.clone()
    other[:, SCIENCE], other[:, REFERENCE] = images[:, REFERENCE], images[:, SCIENCE]
    other[:, SCORE] = -images[:, SCORE]
    return torch.where(backwards[:, None, None, None], other, images)


def _roughen(images: Tensor, generator: torch.Generator, most_sigma: float) -> Tensor:
    """Add sky noise to science and reference.

    Not to the score: it is a filtered image and has no white noise.
    """
    sigma = most_sigma * torch.rand((len(images), 1, 1, 1), generator=generator)
    noise = torch.randn(images[:, :2].shape, generator=generator)
    images = images.clone()
    images[:, :2] += (sigma * noise).to(images.device)
    return images
