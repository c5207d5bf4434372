"""The exported file: the same numbers, the same bytes, nothing of this machine."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from astrid_assets.learning.calibration import ScoreCalibration
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.inference import OnnxScorer, UnusableModel
from astrid_assets.learning.settings import NetworkSettings
from astrid_assets.learning.unet import Ensemble, UNet
from astrid_assets.science.detection.measurements import MEASUREMENTS, unmeasured

pytestmark = pytest.mark.slow

SIZE = 32


@pytest.fixture(scope="module")
def content(small_training) -> bytes:
    model = small_training.model
    return to_onnx(model.network, model.calibration, SIZE)


def torch_scores(model, images, measurements=None):
    with torch.inference_mode():
        logits = model.network(
            torch.from_numpy(images),
            None if measurements is None else torch.from_numpy(measurements),
        )
        mask, score = (
            torch.sigmoid(some / model.calibration.temperature + model.calibration.offset)
            for some in logits
        )
        return score.numpy(), mask[:, 0].numpy()


@pytest.mark.parametrize("told", ["nothing", "all", "some"])
def test_onnx_gives_the_scores_and_masks_of_torch(content, small_training, told, rng):
    images = small_training.cutouts.images
    measurements = None
    if told != "nothing":
        measurements = rng.normal(size=(len(images), len(MEASUREMENTS))).astype(np.float32)
        if told == "some":
            measurements[rng.random(measurements.shape) < 0.3] = np.nan
    scores, masks = torch_scores(small_training.model, images, measurements)
    scorer = OnnxScorer(content)
    np.testing.assert_allclose(scorer.score(images, measurements), scores, rtol=0, atol=1e-5)
    np.testing.assert_allclose(scorer.masks(images), masks, rtol=0, atol=1e-5)
    assert scores.std() > 0.05  # the network is not a constant


def test_of_pixels_alone_the_score_is_the_highest_mask_value_near_the_centre(small_training):
    images = small_training.cutouts.images[:20]
    shape = NetworkSettings(measurements=[], size=SIZE, base_filters=2, depth=1)
    untold = to_onnx(Ensemble([UNet(shape)], shape), ScoreCalibration(1.0, 0.0, 0.5), SIZE)
    scorer = OnnxScorer(untold)
    # As models of before, it takes what was measured and does not look at it.
    assert not scorer.takes_measurements
    nothing = unmeasured(len(images))
    np.testing.assert_array_equal(scorer.score(images), scorer.score(images, nothing))
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    near = scorer.masks(images)[:, x**2 + y**2 <= 16]
    np.testing.assert_allclose(scorer.score(images), near.max(axis=1), atol=1e-6)


def test_a_second_export_has_the_same_bytes_and_leaves_the_network_alone(content, small_training):
    model = small_training.model
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    model.network.train()
    try:
        assert to_onnx(model.network, model.calibration, SIZE) == content
        assert model.network.training
    finally:
        model.network.eval()
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_calibration_keeps_the_ranking(content, small_training):
    images = small_training.cutouts.images
    model = small_training.model
    fitted = OnnxScorer(content).score(images).astype(np.float64)
    other = ScoreCalibration(5.0, -0.5, 0.5)
    soft = OnnxScorer(to_onnx(model.network, other, SIZE)).score(images)
    ours = model.calibration
    logit = (np.log(fitted / (1 - fitted)) - ours.offset) * ours.temperature
    np.testing.assert_allclose(soft, other.probability(logit), atol=1e-4)


def test_the_file_says_nothing_of_where_it_was_made(content):
    assert b"site-packages" not in content
    assert b".py" not in content
    assert b"/home" not in content
    assert b"/root" not in content


def test_scores_do_not_depend_on_batch_or_threads(content, small_training):
    images = np.concatenate([small_training.cutouts.images] * 2)  # over one batch
    together = OnnxScorer(content, threads=2).score(images)
    alone = OnnxScorer(content)
    single = np.concatenate([alone.score(image[None]) for image in images[:20]])
    np.testing.assert_array_equal(together[:20], single)
    np.testing.assert_array_equal(together[:160], together[160:])


def test_no_cutouts_give_no_scores(content):
    scorer = OnnxScorer(content)
    assert scorer.score(np.empty((0, 3, SIZE, SIZE), np.float32)).shape == (0,)
    assert scorer.masks(np.empty((0, 3, SIZE, SIZE), np.float32)).shape == (
        0,
        SIZE,
        SIZE,
    )


def test_missing_pixels_still_get_a_score(content, small_training):
    images = small_training.cutouts.images[:3].copy()
    images[0, :, 10:20] = np.nan
    images[1, 1] = np.nan
    images[2, 2, 0, 0] = np.inf
    scores = OnnxScorer(content).score(images)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_cutouts_of_another_size_are_refused(content):
    with pytest.raises(ValueError, match=r"\(n, 3, 32, 32\), got \(1, 3, 64, 64\)"):
        OnnxScorer(content).score(np.zeros((1, 3, 64, 64), np.float32))


@pytest.mark.parametrize("cut", [0, 10, 2000])
def test_a_broken_file_is_refused(content, cut):
    with pytest.raises(UnusableModel, match="cannot load these"):
        OnnxScorer(content[:cut])


def test_another_model_is_refused():
    port = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "g", [port], [out])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9
    )
    with pytest.raises(UnusableModel, match=r"takes \['x'\] and returns \['y'\]"):
        OnnxScorer(model.SerializeToString())


def test_scoring_needs_no_torch():
    code = (
        "import sys, astrid_assets.learning.inference as i, onnxruntime;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
