"""Tiles give what the whole frame gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_assets.learning.baseline import CandidateCNN
from astrid_assets.learning.calibration import ScoreCalibration
from astrid_assets.learning.inference import UnusableModel
from astrid_assets.learning.settings import NetworkSettings
from astrid_assets.learning.tiles import frame_mask, reach_px
from astrid_assets.learning.unet import Ensemble, UNet

CALIBRATION = ScoreCalibration(1.5, -0.3, 0.5)


def network_of(depth: int, members: int = 1) -> Ensemble:
    """A network with lively weights, so that far pixels count."""
    torch.manual_seed(depth)
    shape = NetworkSettings(base_filters=3, depth=depth, channels=["score", "science"])
    network = Ensemble([UNet(shape) for _ in range(members)], shape).eval()
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter)
        elif name.endswith("head.bias"):
            torch.nn.init.zeros_(parameter)
    return network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "members", "tile", "shape"),
    [(1, 1, 32, (90, 103)), (2, 2, 40, (110, 97)), (2, 1, 16, (20, 150)), (3, 1, 61, (190, 203))],
)
def test_tiles_give_the_mask_of_the_whole_frame(depth, members, tile, shape, rng):
    network = network_of(depth, members)
    planes = rng.normal(0, 3, (3, *shape)).astype(np.float32)
    planes[:, 10:13, 20] = np.nan
    whole = frame_mask(network, CALIBRATION, planes, tile_px=4096)
    assert whole.shape == shape
    assert whole.std() > 0.05
    np.testing.assert_allclose(
        frame_mask(network, CALIBRATION, planes, tile_px=tile), whole, atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2])
def test_beyond_its_reach_a_network_sees_nothing(depth, rng):
    network = network_of(depth)
    reach = reach_px(depth)
    side = 2 * reach + 4 * 2**depth
    planes = rng.normal(size=(3, side, side)).astype(np.float32)
    far, near = planes.copy(), planes.copy()
    middle = side // 2
    far[:, :, middle + reach + 2**depth :] += 50
    near[:, :, middle + reach // 2 :] += 50
    found = [frame_mask(network, CALIBRATION, one)[middle, middle] for one in (planes, far, near)]
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert found[0] != pytest.approx(found[2], abs=1e-6)


@pytest.mark.slow
def test_a_frame_of_one_cutout_is_the_cutout(rng):
    network = network_of(3)
    planes = rng.normal(0, 3, (3, 64, 64)).astype(np.float32)
    with torch.inference_mode():
        logits = network(torch.from_numpy(planes[None])).mask
        expected = torch.sigmoid(logits / CALIBRATION.temperature + CALIBRATION.offset)
    found = frame_mask(network, CALIBRATION, planes)
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-6)


def test_a_network_without_masks_is_refused():
    shape = NetworkSettings(network="cnn", size=64)
    with pytest.raises(UnusableModel, match="draws no mask"):
        frame_mask(
            Ensemble([CandidateCNN(shape)], shape), CALIBRATION, np.zeros((3, 64, 64), np.float32)
        )
