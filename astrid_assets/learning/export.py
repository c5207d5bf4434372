"""From a trained network to one ONNX file: the form that is stored and deployed.

The file holds the preprocessing, the mask and the candidate's score; equal weights
give equal bytes, so the SHA-256 of the file is the model's identity.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from astrid_assets.learning.settings import CHANNELS
from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.detection.measurements import MEASUREMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from astrid_assets.learning.calibration import ScoreCalibration
    from astrid_assets.learning.unet import Ensemble
    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.science.detection.measurements import Measurements

OPSET = 18
INPUT, MEASURED, MASK, SCORE = "cutouts", "measurements", "mask", "score"


class _Deployed(nn.Module):
    """The network as it is used: probabilities instead of logits."""

    def __init__(self, network: Ensemble, calibration: ScoreCalibration) -> None:
        super().__init__()
        self.network = network
        self.calibration = calibration

    def forward(self, cutouts: Tensor, measurements: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the mask ``(B, H, W)`` and the score ``(B,)``, both 0 to 1."""
        logits = self.network(cutouts, measurements)
        mask, score = (
            torch.sigmoid(some / self.calibration.temperature + self.calibration.offset)
            for some in logits
        )
        return mask[:, 0], score


def to_onnx(network: Ensemble, calibration: ScoreCalibration, size: int = CUTOUT_SIZE) -> bytes:
    """Return the network as one self-contained ONNX file.

    Inputs ``cutouts`` (n, 3, size, size) and, for a network that takes measurements,
    ``measurements`` (n, len(MEASUREMENTS)), float32; outputs ``mask`` (n, side, side) and
    ``score`` (n,); n is free.

    Parameters
    ----------
    calibration
        From `calibration.fit_calibration`; divides and moves every logit.
    size
        Side of the cutouts that are handed in; the network may see their middle only.
    """
    import onnx

    deployed = _Deployed(deepcopy(network), calibration).eval()
    # Two, not one: a batch of one is taken for a constant.
    example: tuple[Tensor, ...] = (torch.zeros(2, len(CHANNELS), size, size),)
    names = [INPUT]
    if network.settings.measurements:
        example += (torch.zeros(2, len(MEASUREMENTS)),)
        names += [MEASURED]
    n = torch.export.Dim("n", min=1)
    with _quiet():
        program = torch.onnx.export(
            deployed,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=[MASK, SCORE],
            dynamic_shapes={name: {0: n} for name in names},
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = onnx.load_from_string(program.model_proto.SerializeToString())
    _forget_where_it_was_made(model)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def torch_scores(
    network: Ensemble,
    calibration: ScoreCalibration,
    cutouts: Cutouts,
    measurements: Measurements | None = None,
) -> NDArray[np.float64]:
    """Return the scores of cutouts by the network itself, (n,): what ONNX must reproduce.

    Parameters
    ----------
    cutouts : (n, 3, size, size)
    measurements : (n, len(MEASUREMENTS))
        None: nothing was measured.
    """
    deployed = _Deployed(deepcopy(network), calibration).eval()
    with torch.no_grad():
        _, scores = deployed(
            torch.from_numpy(np.array(cutouts, dtype=np.float32)),
            None
            if measurements is None
            else torch.from_numpy(np.array(measurements, dtype=np.float32)),
        )
    return scores.numpy().astype(np.float64)


def _forget_where_it_was_made(model: object) -> None:
    """Drop debugging notes: they hold paths and stack traces of this machine."""
    import onnx

    if not isinstance(model, onnx.ModelProto):
        raise TypeError(f"expected an ONNX model, got {type(model).__name__}")
    del model.metadata_props[:]
    model.doc_string = ""
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress report and its libraries' deprecations away."""
    chatter = logging.getLogger("torch.onnx")
    before = chatter.level
    chatter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        chatter.setLevel(before)
