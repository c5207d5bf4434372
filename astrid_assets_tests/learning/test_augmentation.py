"""Augmentation keeps cutout and mask together and depends on its generator alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_assets.learning.augmentation import augment
from astrid_assets.learning.settings import AugmentationSettings

PLAIN = AugmentationSettings()
QUIET = AugmentationSettings(noise_sigma=0)
"""Without noise pixels can be followed."""
NOTHING = AugmentationSettings(turn=False, shift_px=0, noise_sigma=0)


def batch(rng: np.random.Generator, n: int = 64, size: int = 16):
    images = torch.from_numpy(rng.normal(size=(n, 3, size, size)).astype(np.float32))
    masks = (images[:, :1] > 1).float()
    return images, masks


@pytest.mark.slow
def test_the_same_generator_gives_the_same_batch(rng):
    images, masks = batch(rng)
    first = augment(images, masks, torch.Generator().manual_seed(7), PLAIN)
    second = augment(images, masks, torch.Generator().manual_seed(7), PLAIN)
    other = augment(images, masks, torch.Generator().manual_seed(8), PLAIN)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_the_arguments_stay_as_they_are(rng):
    images, masks = batch(rng)
    before = images.clone(), masks.clone()
    augment(images, masks, torch.Generator().manual_seed(7), PLAIN)
    assert torch.equal(images, before[0])
    assert torch.equal(masks, before[1])


def test_masks_move_with_their_images(rng):
    images, masks = batch(rng)
    moved, moved_masks = augment(images, masks, torch.Generator().manual_seed(7), QUIET)
    assert torch.equal((moved[:, :1] > 1).float(), moved_masks)


def test_every_symmetry_of_the_square_occurs_and_nothing_else():
    size = 17  # odd: the centre pixel stays the centre
    image = torch.zeros(1, 3, size, size)
    image[..., 6, 7] = 1.0  # off every axis: eight different places
    images = image.repeat(400, 1, 1, 1)
    moved, _ = augment(images, images[:, :1], torch.Generator().manual_seed(7), QUIET)
    middle = size // 2
    reach = {(dy, dx) for dy in (-2, -1, 1, 2) for dx in (-2, -1, 1, 2)}
    corners = {(dy, dx) for dy, dx in reach if abs(dy) != abs(dx)}
    shifts = range(-QUIET.shift_px, QUIET.shift_px + 1)
    allowed = {
        (middle + dy + sy, middle + dx + sx) for dy, dx in corners for sy in shifts for sx in shifts
    }
    places = {tuple(place.tolist()) for place in torch.nonzero(moved[:, 0])[:, 1:]}
    assert places == allowed
    assert moved[:, 0].sum() == 400


def test_noise_is_added_to_science_and_reference_only():
    images = torch.zeros(200, 3, 16, 16)
    settings = NOTHING.model_copy(update={"noise_sigma": 0.5})
    moved, _ = augment(images, images[:, :1], torch.Generator().manual_seed(7), settings)
    # The sigma is uniform between 0 and 0.5: rms 0.5 / sqrt(3).
    assert moved[:, :2].std().item() == pytest.approx(0.5 / 3**0.5, rel=0.1)
    assert moved[:, 2].abs().max() == 0


def test_switched_off_it_changes_nothing(rng):
    images, masks = batch(rng)
    moved, moved_masks = augment(images, masks, torch.Generator().manual_seed(7), NOTHING)
    assert torch.equal(moved, images)
    assert torch.equal(moved_masks, masks)


def test_backwards_the_images_change_places_and_the_score_its_sign(rng):
    images, masks = batch(rng, n=400)
    settings = NOTHING.model_copy(update={"swap": 0.25})
    moved, _ = augment(images, masks, torch.Generator().manual_seed(7), settings)
    swapped = torch.stack([images[:, 1], images[:, 0], -images[:, 2]], dim=1)
    is_swapped = (moved == swapped).flatten(1).all(dim=1)
    is_same = (moved == images).flatten(1).all(dim=1)
    assert (is_swapped | is_same).all()
    assert is_swapped.float().mean().item() == pytest.approx(0.25, abs=0.07)


def test_a_blur_widens_a_star_and_keeps_its_flux():
    y, x = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    radius2 = (y - 16) ** 2 + (x - 16) ** 2
    star = torch.exp(-0.5 * radius2 / 1.5**2).repeat(300, 3, 1, 1)
    settings = NOTHING.model_copy(update={"blur_px": 1.0})
    moved, _ = augment(star, star[:, :1], torch.Generator().manual_seed(7), settings)
    torch.testing.assert_close(moved.sum(dim=(-2, -1)), star.sum(dim=(-2, -1)), rtol=2e-3, atol=0)
    variance = (moved[:, 0] * radius2).sum(dim=(-2, -1)) / moved[:, 0].sum(dim=(-2, -1)) / 2
    # 1.5 squared plus the square of a sigma that is uniform from 0 to 1 px.
    assert 1.5**2 - 0.01 < variance.min() < 1.5**2 + 0.05
    assert variance.mean().item() == pytest.approx(1.5**2 + 1 / 3, abs=0.06)


def test_fluxes_are_scaled_within_the_factor():
    images = torch.ones(400, 3, 16, 16)
    settings = NOTHING.model_copy(update={"flux_scale": 2.0})
    moved, _ = augment(images, images[:, :1], torch.Generator().manual_seed(7), settings)
    factor = moved[:, 0, 0, 0]
    assert (moved == factor[:, None, None, None]).all()
    assert 0.5 <= factor.min() < 0.55
    assert 1.9 < factor.max() <= 2.0
