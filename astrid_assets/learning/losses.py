"""What training minimises: pixels, overlap and the candidate's own verdict.

Dice has no gradient on an empty mask, and every bogus cutout has an empty mask; the
pixel-wise and the image-level cross-entropies are what teaches those.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from astrid_assets.learning.unet import centre_logit

DICE_SMOOTH = 1.0
"""Pixels added to both terms of the ratio; keeps an empty mask finite."""

PIXEL_WEIGHT = 10.0
"""A mask covers about 0.5 % of a cutout: this brings the mean over all pixels to the
size of the two other terms."""


class Loss(NamedTuple):
    """The three terms and their sum, each a scalar; `candidate` is of the scores."""

    total: Tensor
    pixels: Tensor
    dice: Tensor
    candidate: Tensor


def segmentation_loss(logits: Tensor, masks: Tensor, labels: Tensor) -> Loss:
    """Return pixel-wise BCE + squared Dice + image-level BCE.

    Parameters
    ----------
    logits : (B, 1, H, W)
    masks : (B, 1, H, W), 0 or 1
    labels : (B,), 1 real, 0 bogus
    """
    pixels = PIXEL_WEIGHT * binary_cross_entropy_with_logits(logits, masks)
    dice = _squared_dice(logits, masks, labels)
    candidate = binary_cross_entropy_with_logits(centre_logit(logits), labels)
    return Loss(pixels + dice + candidate, pixels, dice, candidate)


def _squared_dice(logits: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    """Return one minus the overlap, averaged over the real cutouts of the batch."""
    predicted = torch.sigmoid(logits).flatten(1)  # (B, H W)
    wanted = masks.flatten(1)
    shared = (predicted * wanted).sum(1)
    both = (predicted * predicted).sum(1) + (wanted * wanted).sum(1)
    overlap = (2 * shared + DICE_SMOOTH) / (both + DICE_SMOOTH)
    return ((1 - overlap) * labels).sum() / labels.sum().clamp(min=1.0)
