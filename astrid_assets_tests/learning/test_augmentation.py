"""Augmentation keeps cutout and mask together and depends on its generator alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_assets.learning import augmentation
from astrid_assets.learning.augmentation import MAX_SHIFT_PX, augment


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch off the noise, so that pixels can be followed."""
    monkeypatch.setattr(augmentation, "MAX_EXTRA_NOISE_SIGMA", 0.0)


def batch(rng: np.random.Generator, n: int = 64, size: int = 16):
    images = torch.from_numpy(rng.normal(size=(n, 3, size, size)).astype(np.float32))
    masks = (images[:, :1] > 1).float()
    return images, masks


@pytest.mark.slow
def test_the_same_generator_gives_the_same_batch(rng):
    images, masks = batch(rng)
    first = augment(images, masks, torch.Generator().manual_seed(7))
    second = augment(images, masks, torch.Generator().manual_seed(7))
    other = augment(images, masks, torch.Generator().manual_seed(8))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_the_arguments_stay_as_they_are(rng):
    images, masks = batch(rng)
    before = images.clone(), masks.clone()
    augment(images, masks, torch.Generator().manual_seed(7))
    assert torch.equal(images, before[0])
    assert torch.equal(masks, before[1])


@pytest.mark.usefixtures("quiet")
def test_masks_move_with_their_images(rng):
    images, masks = batch(rng)
    moved, moved_masks = augment(images, masks, torch.Generator().manual_seed(7))
    assert torch.equal((moved[:, :1] > 1).float(), moved_masks)


@pytest.mark.usefixtures("quiet")
def test_every_symmetry_of_the_square_occurs_and_nothing_else():
    size = 17  # odd: the centre pixel stays the centre
    image = torch.zeros(1, 3, size, size)
    image[..., 6, 7] = 1.0  # off every axis: eight different places
    images = image.repeat(400, 1, 1, 1)
    moved, _ = augment(images, images[:, :1], torch.Generator().manual_seed(7))
    middle = size // 2
    reach = {(dy, dx) for dy in (-2, -1, 1, 2) for dx in (-2, -1, 1, 2)}
    corners = {(dy, dx) for dy, dx in reach if abs(dy) != abs(dx)}
    shifts = range(-MAX_SHIFT_PX, MAX_SHIFT_PX + 1)
    allowed = {
        (middle + dy + sy, middle + dx + sx) for dy, dx in corners for sy in shifts for sx in shifts
    }
    places = {tuple(place.tolist()) for place in torch.nonzero(moved[:, 0])[:, 1:]}
    assert places == allowed
    assert moved[:, 0].sum() == 400


def test_noise_is_added_to_science_and_reference_only(monkeypatch):
    monkeypatch.setattr(augmentation, "MAX_SHIFT_PX", 0)
    images = torch.zeros(200, 3, 16, 16)
    moved, _ = augment(images, images[:, :1], torch.Generator().manual_seed(7))
    # The sigma is uniform between 0 and 0.5: rms 0.5 / sqrt(3).
    assert moved[:, :2].std().item() == pytest.approx(0.5 / 3**0.5, rel=0.1)
    assert moved[:, 2].abs().max() == 0
