"""What the loss rewards, and that empty masks still teach."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_assets.learning.losses import PIXEL_WEIGHT, segmentation_loss
from astrid_assets.science.labelling.masks import training_mask


def masks_of(*labels: str) -> torch.Tensor:
    stack = np.stack([training_mask(label, 4.0, 32) for label in labels])
    return torch.from_numpy(stack[:, None].astype(np.float32))


def test_a_perfect_prediction_costs_nothing():
    masks = masks_of("real", "bogus")
    loss = segmentation_loss(40 * (masks - 0.5), masks, torch.tensor([1.0, 0.0]))
    assert loss.total.item() == pytest.approx(0, abs=1e-4)


def test_the_total_is_the_sum_of_its_terms(rng):
    masks = masks_of("real", "bogus")
    logits = torch.from_numpy(rng.normal(size=(2, 1, 32, 32)).astype(np.float32))
    loss = segmentation_loss(logits, masks, torch.tensor([1.0, 0.0]))
    assert loss.total.item() == pytest.approx(
        loss.pixels.item() + loss.dice.item() + loss.candidate.item()
    )


def test_undecided_pixels_cost_one_bit():
    masks = masks_of("bogus")
    loss = segmentation_loss(torch.zeros(1, 1, 32, 32), masks, torch.zeros(1))
    assert loss.pixels.item() == pytest.approx(PIXEL_WEIGHT * np.log(2))
    assert loss.candidate.item() == pytest.approx(np.log(2))
    assert loss.dice.item() == 0


def test_an_empty_mask_still_has_a_gradient_at_the_centre():
    logits = torch.zeros(1, 1, 32, 32)
    logits[0, 0, 16, 16] = 3.0
    logits.requires_grad_()
    segmentation_loss(logits, masks_of("bogus"), torch.zeros(1)).total.backward()
    assert logits.grad is not None
    # Gradient descent lowers the false peak, and by much more than a plain pixel.
    assert logits.grad[0, 0, 16, 16] > 100 * logits.grad[0, 0, 0, 0] > 0


def test_dice_of_half_an_overlap_follows_the_formula():
    masks = torch.zeros(1, 1, 32, 32)
    masks[..., :8, :] = 1  # 256 pixels
    logits = torch.full((1, 1, 32, 32), -50.0)
    logits[..., 4:12, :] = 50.0  # 256 pixels, half of them shared
    loss = segmentation_loss(logits, masks, torch.ones(1))
    assert loss.dice.item() == pytest.approx(1 - (2 * 128 + 1) / (512 + 1), rel=1e-5)
