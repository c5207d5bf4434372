"""Weights as a record: the same ONNX file comes from them, and no pickle is ever read."""

from __future__ import annotations

import io
import pickle

import pytest
import torch

from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.inference import OnnxScorer, UnusableModel
from astrid_assets.learning.weights import network_from_weights, weights_of

pytestmark = pytest.mark.slow

SIZE = 32


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


def pickled_by_torch() -> bytes:
    buffer = io.BytesIO()
    torch.save({"state": Trap()}, buffer)
    return buffer.getvalue()


def test_the_weights_make_the_same_onnx_file_again(small_training):
    model = small_training.model
    record = weights_of(model.network, model.settings, model.calibration, SIZE)
    network, calibration, size = network_from_weights(record)
    assert (calibration, size) == (model.calibration, SIZE)
    served = to_onnx(model.network, model.calibration, SIZE)
    assert to_onnx(network, calibration, size) == served
    # Equal weights give equal bytes, so the hash names them.
    assert weights_of(network, model.settings, calibration, size) == record


@pytest.mark.parametrize("load", [network_from_weights, OnnxScorer])
@pytest.mark.parametrize("content", [pickle.dumps(Trap()), pickled_by_torch()])
def test_a_pickle_is_refused_unread(load, content):
    with pytest.raises(UnusableModel, match="this file is a pickle, which can run any code"):
        load(content)


def test_damaged_weights_are_refused_in_a_sentence(small_training):
    model = small_training.model
    record = weights_of(model.network, model.settings, model.calibration, SIZE)
    other = model.settings.model_copy(update={"base_filters": 2 * model.settings.base_filters})
    for wrong in (
        record[: len(record) // 2],
        b"",
        b"no weights at all",
        weights_of(model.network, other, model.calibration, SIZE),
    ):
        with pytest.raises(UnusableModel, match="are no weights of this project"):
            network_from_weights(wrong)
