"""Augmentation of a training batch: what the sky could equally well have shown.

Symmetries of the square, a small shift and some more sky noise. Every batch gets a
generator of its own, made from seed, epoch and batch: a training that is resumed
draws exactly what it would have drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor

MAX_SHIFT_PX = 2
"""A centroid is off by less than this; the score looks 4 px around the centre."""

MAX_EXTRA_NOISE_SIGMA = 0.5
"""In units of the science and reference channels' own sky sigma."""


def augment(images: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn, flip, shift and roughen each cutout with its mask.

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
    images, masks = _turn(images, masks, generator)
    images, masks = _shift(images, masks, generator)
    return _roughen(images, generator), masks


def _turn(images: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Apply one of the square's eight symmetries to each cutout."""
    which = torch.randint(8, (len(images),), generator=generator)
    images, masks = images.clone(), masks.clone()
    for symmetry in range(1, 8):
        chosen = torch.nonzero(which == symmetry).flatten()
        for stack in (images, masks):
            part = torch.rot90(stack[chosen], symmetry % 4, dims=(-2, -1))
            stack[chosen] = part.flip(-1) if symmetry >= 4 else part
    return images, masks


def _shift(images: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Move each cutout by whole pixels; what comes in from outside is blank."""
    moves = torch.randint(
        -MAX_SHIFT_PX, MAX_SHIFT_PX + 1, (len(images), 2), generator=generator
    ).tolist()
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


def _roughen(images: Tensor, generator: torch.Generator) -> Tensor:
    """Add sky noise to science and reference.

    Not to the score: it is a filtered image and has no white noise.
    """
    sigma = MAX_EXTRA_NOISE_SIGMA * torch.rand((len(images), 1, 1, 1), generator=generator)
    noise = torch.randn(images[:, :2].shape, generator=generator)
    images = images.clone()
    images[:, :2] += sigma * noise
    return images
