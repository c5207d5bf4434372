"""Shapes, preprocessing and the candidate's own logit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from astrid_assets.learning.settings import NetworkSettings
from astrid_assets.learning.unet import (
    CENTRE_RADIUS_PX,
    FOREGROUND_FRACTION,
    CompressCutouts,
    Ensemble,
    UNet,
    centre_disc,
    centre_logit,
)


def shape(base_filters: int, depth: int) -> NetworkSettings:
    return NetworkSettings(base_filters=base_filters, depth=depth)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "depth"), [(64, 3), (32, 2), (48, 4)])
def test_the_mask_has_the_size_of_the_cutout(size, depth):
    network = UNet(shape(2, depth)).eval()
    mask, score = network(torch.zeros(2, 3, size, size))
    assert mask.shape == (2, 1, size, size)
    assert score.shape == (2,)


def test_a_new_network_expects_few_foreground_pixels():
    network = UNet(shape(4, 2))
    assert network.head.bias is not None
    start = torch.sigmoid(network.head.bias).item()
    assert start == pytest.approx(FOREGROUND_FRACTION, rel=1e-5)


def test_compression_is_arcsinh(rng):
    x = rng.normal(0, 100, (2, 3, 8, 8)).astype(np.float32)
    found = CompressCutouts()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, np.arcsinh(x.astype(np.float64)), rtol=1e-5)


def test_compression_is_odd_also_for_the_brightest_pixels():
    x = torch.tensor([3e4, 1e6]).reshape(1, 1, 1, 2)
    compress = CompressCutouts()
    torch.testing.assert_close(compress(-x), -compress(x))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3.4e38, -3.4e38])
def test_missing_pixels_read_as_blank_sky(bad, rng):
    network = UNet(shape(2, 1)).eval()
    cutouts = torch.from_numpy(rng.normal(size=(1, 3, 16, 16)).astype(np.float32))
    blank = cutouts.clone()
    cutouts[0, :, 3:6, 3:6] = bad
    blank[0, :, 3:6, 3:6] = 0.0
    for found, expected in zip(network(cutouts), network(blank), strict=True):
        assert torch.equal(found, expected)


def test_the_brightest_pixels_leave_the_result_finite():
    cutouts = torch.full((1, 3, 16, 16), 1e19)
    for logits in UNet(shape(2, 1)).eval()(cutouts):
        assert torch.isfinite(logits).all()


def test_a_far_bright_pixel_does_not_change_the_mask_at_the_centre(rng):
    network = UNet(shape(2, 1)).eval()
    plain = torch.from_numpy(rng.normal(size=(1, 3, 64, 64)).astype(np.float32))
    bright = plain.clone()
    bright[0, :, 2, 2] = 1e5
    here = (..., 32, 32)
    assert torch.equal(network(plain).mask[here], network(bright).mask[here])


def test_the_disc_holds_the_pixels_within_four():
    disc = centre_disc()
    assert disc.shape == (9, 9)
    assert disc[0, 4]
    assert not disc[0, 3]
    assert disc.sum() == sum(x * x + y * y <= 16 for x in range(-4, 5) for y in range(-4, 5))


def test_the_candidate_gets_the_highest_logit_near_the_centre():
    logits = torch.full((2, 1, 64, 64), -5.0)
    logits[0, 0, 32 + CENTRE_RADIUS_PX, 32] = 2.0
    logits[1, 0, 32 + CENTRE_RADIUS_PX, 33] = 2.0  # just outside the circle
    assert centre_logit(logits).tolist() == [2.0, -5.0]


def test_members_count_by_the_mean_of_their_logits(rng):
    members = [UNet(shape(2, 1)).eval() for _ in range(3)]
    cutouts = torch.from_numpy(rng.normal(size=(2, 3, 16, 16)).astype(np.float32))
    together = Ensemble(members, shape(2, 1)).eval()(cutouts)
    alone = [member(cutouts) for member in members]
    torch.testing.assert_close(together.mask, sum(one.mask for one in alone) / 3)
    torch.testing.assert_close(together.score, sum(one.score for one in alone) / 3)


def test_a_network_sees_its_channels_around_the_centre_only(rng):
    settings = NetworkSettings(channels=["score", "science"], size=16, base_filters=2, depth=1)
    network = Ensemble([UNet(settings)], settings).eval()
    cutouts = torch.from_numpy(rng.normal(size=(1, 3, 64, 64)).astype(np.float32))
    other = cutouts.clone()
    other[:, 1] = 7.0  # the reference
    other[..., :24] = 7.0  # beyond the window: pixels 24 to 39
    other[..., 40:, :] = 7.0
    assert torch.equal(network(cutouts).mask, network(other).mask)
    assert network(cutouts).mask.shape == (1, 1, 16, 16)
    other[0, 2, 32, 32] = 50.0
    assert not torch.equal(network(cutouts).mask, network(other).mask)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"size": 60, "depth": 3}, "60 px cannot be halved 3 times"),
        ({"channels": ["score", "mask"]}, "no channel 'mask'"),
        ({"channels": ["score", "score"]}, "named twice"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        NetworkSettings(**wrong)
