"""What the loss rewards, and that empty masks still teach."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_assets.learning.losses import Loss
from astrid_assets.learning.losses import segmentation_loss as loss_of_logits
from astrid_assets.learning.settings import LossSettings
from astrid_assets.learning.unet import Logits, centre_logit
from astrid_assets.science.labelling.masks import training_mask

PLAIN = LossSettings()


def segmentation_loss(
    mask: torch.Tensor,
    masks: torch.Tensor,
    labels: torch.Tensor,
    settings: LossSettings,
    weights: torch.Tensor | None = None,
) -> Loss:
    """Return the loss where the pixels alone say what the candidate is."""
    return loss_of_logits(Logits(mask, centre_logit(mask)), masks, labels, settings, weights)


def masks_of(*labels: str) -> torch.Tensor:
    stack = np.stack([training_mask(label, 4.0, 32) for label in labels])
    return torch.from_numpy(stack[:, None].astype(np.float32))


def test_a_perfect_prediction_costs_nothing():
    masks = masks_of("real", "bogus")
    loss = segmentation_loss(40 * (masks - 0.5), masks, torch.tensor([1.0, 0.0]), PLAIN)
    assert loss.total.item() == pytest.approx(0, abs=1e-4)


def test_the_total_is_the_sum_of_its_terms(rng):
    masks = masks_of("real", "bogus")
    logits = torch.from_numpy(rng.normal(size=(2, 1, 32, 32)).astype(np.float32))
    loss = segmentation_loss(logits, masks, torch.tensor([1.0, 0.0]), PLAIN)
    assert loss.total.item() == pytest.approx(
        loss.pixels.item() + loss.overlap.item() + loss.candidate.item()
    )


def test_undecided_pixels_cost_one_bit():
    masks = masks_of("bogus")
    loss = segmentation_loss(torch.zeros(1, 1, 32, 32), masks, torch.zeros(1), PLAIN)
    assert loss.pixels.item() == pytest.approx(PLAIN.pixel_weight * np.log(2))
    assert loss.candidate.item() == pytest.approx(np.log(2))
    assert loss.overlap.item() == 0


def test_an_empty_mask_still_has_a_gradient_at_the_centre():
    logits = torch.zeros(1, 1, 32, 32)
    logits[0, 0, 16, 16] = 3.0
    logits.requires_grad_()
    segmentation_loss(logits, masks_of("bogus"), torch.zeros(1), PLAIN).total.backward()
    assert logits.grad is not None
    # Gradient descent lowers the false peak, and by much more than a plain pixel.
    assert logits.grad[0, 0, 16, 16] > 100 * logits.grad[0, 0, 0, 0] > 0


def test_dice_of_half_an_overlap_follows_the_formula():
    masks = torch.zeros(1, 1, 32, 32)
    masks[..., :8, :] = 1  # 256 pixels
    logits = torch.full((1, 1, 32, 32), -50.0)
    logits[..., 4:12, :] = 50.0  # 256 pixels, half of them shared
    loss = segmentation_loss(logits, masks, torch.ones(1), PLAIN)
    assert loss.overlap.item() == pytest.approx(1 - (2 * 128 + 1) / (512 + 1), rel=1e-5)


def test_tversky_charges_missed_pixels_more_than_added_ones():
    settings = LossSettings(overlap_loss="tversky", tversky_missed=0.7)
    masks = torch.zeros(1, 1, 32, 32)
    masks[..., :8, :] = 1  # 256 pixels
    logits = torch.full((1, 1, 32, 32), -50.0)
    logits[..., 4:16, :] = 50.0  # 128 shared, 128 missed, 256 added
    loss = segmentation_loss(logits, masks, torch.ones(1), settings)
    expected = 1 - 129 / (129 + 0.7 * 128 + 0.3 * 256)
    assert loss.overlap.item() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_spares_what_is_easy():
    masks = torch.zeros(1, 1, 32, 32)
    logits = torch.full((1, 1, 32, 32), -3.0)  # a probability of 0.047 where 0 is true
    settings = LossSettings(pixel_loss="focal", focal_gamma=2.0, pixel_weight=1.0)
    loss = segmentation_loss(logits, masks, torch.zeros(1), settings)
    p = 1 / (1 + np.exp(3.0))
    assert loss.pixels.item() == pytest.approx(p**2 * -np.log(1 - p), rel=1e-4)


def test_a_cutout_of_weight_three_counts_like_three_of_weight_one(rng):
    masks = masks_of("real", "bogus", "bogus", "bogus")
    logits = torch.from_numpy(rng.normal(size=(4, 1, 32, 32)).astype(np.float32))
    logits[2:] = logits[1]
    labels = torch.tensor([1.0, 0.0, 0.0, 0.0])
    three = segmentation_loss(logits, masks, labels, PLAIN)
    one = segmentation_loss(logits[:2], masks[:2], labels[:2], PLAIN, torch.tensor([1.0, 3.0]))
    assert one.total.item() == pytest.approx(three.total.item(), rel=1e-6)


def test_a_loss_without_terms_is_refused():
    with pytest.raises(ValueError, match="nothing would be learned"):
        LossSettings(pixel_loss="none", overlap_loss="none", candidate_weight=0)
