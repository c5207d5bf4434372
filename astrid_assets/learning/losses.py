"""What training minimises: pixels, overlap and the candidate's own verdict.

Dice has no gradient on an empty mask, and every bogus cutout has an empty mask; the
pixel-wise and the image-level cross-entropies are what teaches those.

References
----------
Milletari, Navab & Ahmadi 2016, 3DV, arXiv:1606.04797 (squared Dice); Salehi, Erdogmus &
Gholipour 2017, MLMI, arXiv:1706.05721 (Tversky); Lin et al. 2017, ICCV, arXiv:1708.02002
(focal).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

if TYPE_CHECKING:
    from astrid_assets.learning.settings import LossSettings
    from astrid_assets.learning.unet import Logits

SMOOTH = 1.0
"""Pixels added to both terms of an overlap's ratio; keeps an empty mask finite."""


class Loss(NamedTuple):
    """The three terms as weighed and their sum, each a scalar.

    `candidate` is the cross-entropy of the scores, before its weight.
    """

    total: Tensor
    pixels: Tensor
    overlap: Tensor
    candidate: Tensor


def segmentation_loss(
    logits: Logits,
    masks: Tensor,
    labels: Tensor,
    settings: LossSettings,
    weights: Tensor | None = None,
) -> Loss:
    """Return the weighted sum of pixel, overlap and candidate loss.

    Parameters
    ----------
    logits
        Those of mask and candidate.
    masks : (B, 1, H, W), 0 or 1
    labels : (B,), 1 real, 0 bogus
    settings
        Which losses, and their weights.
    weights : (B,)
        How much each cutout counts; None: all the same.
    """
    counts = torch.ones_like(labels) if weights is None else weights
    pixels = settings.pixel_weight * _mean(_pixel_loss(logits.mask, masks, settings), counts)
    overlap = settings.overlap_weight * _mean(
        _overlap_loss(logits.mask, masks, settings), counts * labels
    )
    softened = labels + settings.label_smoothing * (1 - 2 * labels)
    candidate = _mean(
        binary_cross_entropy_with_logits(logits.score, softened, reduction="none"), counts
    )
    return Loss(
        pixels + overlap + settings.candidate_weight * candidate, pixels, overlap, candidate
    )


def _mean(losses: Tensor, counts: Tensor) -> Tensor:
    """Return the weighted mean of (B,) losses; 0 where nothing counts."""
    return (losses * counts).sum() / counts.sum().clamp(min=torch.finfo(counts.dtype).tiny)


def _pixel_loss(logits: Tensor, masks: Tensor, settings: LossSettings) -> Tensor:
    """Return the mean over each cutout's pixels, (B,)."""
    if settings.pixel_loss == "none":
        return logits.new_zeros(len(logits))
    losses = binary_cross_entropy_with_logits(logits, masks, reduction="none")
    if settings.pixel_loss == "focal":
        # exp(-BCE) is the probability given to what is true.
        losses = losses * (1 - torch.exp(-losses)) ** settings.focal_gamma
    return losses.flatten(1).mean(dim=1)


def _overlap_loss(logits: Tensor, masks: Tensor, settings: LossSettings) -> Tensor:
    """Return one minus the overlap of each cutout, (B,)."""
    predicted = torch.sigmoid(logits).flatten(1)  # (B, H W)
    wanted = masks.flatten(1)
    shared = (predicted * wanted).sum(1)
    if settings.overlap_loss == "none":
        return torch.zeros_like(shared)
    if settings.overlap_loss == "dice":
        both = (predicted * predicted).sum(1) + (wanted * wanted).sum(1)
        return 1 - (2 * shared + SMOOTH) / (both + SMOOTH)
    missed = ((1 - predicted) * wanted).sum(1)
    added = (predicted * (1 - wanted)).sum(1)
    charged = settings.tversky_missed * missed + (1 - settings.tversky_missed) * added
    return 1 - (shared + SMOOTH) / (shared + charged + SMOOTH)
