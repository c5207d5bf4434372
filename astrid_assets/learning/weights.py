"""A trained network as a file that holds numbers and no code: the record behind the ONNX file.

From the same weights comes the same ONNX file, byte for byte. A pickle, which runs whatever
its maker wanted, is refused unread.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from astrid_assets.learning.baseline import CandidateCNN
from astrid_assets.learning.calibration import ScoreCalibration
from astrid_assets.learning.inference import UnusableModel, refuse_pickle
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.learning.unet import Ensemble, UNet

if TYPE_CHECKING:
    from torch import Tensor

ABOUT = "network"
"""What the file holds about itself beside the weights: one JSON text, for safetensors writes
several in any order, and equal weights have to give equal bytes."""

SETTINGS, CALIBRATION, SIZE = "settings", "calibration", "size"


def weights_of(
    network: Ensemble, settings: TrainingSettings, calibration: ScoreCalibration, size: int
) -> bytes:
    """Return a network in the safetensors format.

    Parameters
    ----------
    settings
        Those of the training; they give the network its shape.
    calibration
        What `export.to_onnx` was given.
    size
        Side of the cutouts that are handed in, pixels.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    return save(
        tensors,
        {
            ABOUT: json.dumps(
                {
                    SETTINGS: settings.model_dump(mode="json"),
                    CALIBRATION: asdict(calibration),
                    SIZE: size,
                }
            )
        },
    )


def network_from_weights(content: bytes) -> tuple[Ensemble, ScoreCalibration, int]:
    """Return the network of `weights_of`, in evaluation mode, its calibration and size.

    Raises
    ------
    UnusableModel
        If the bytes are a pickle, or no weights of this project.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    refuse_pickle(content)
    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        said = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][ABOUT])
        # Networks of before saw pixels only.
        settings = TrainingSettings.model_validate({"measurements": []} | said[SETTINGS])
        calibration = ScoreCalibration(**said[CALIBRATION])
        size = int(said[SIZE])
        of_kind = CandidateCNN if settings.network == "cnn" else UNet
        network = Ensemble([of_kind(settings) for _ in range(settings.members)], settings)
        network.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnusableModel(
            f"these {len(content)} bytes are no weights of this project: {error}"
        ) from error
    return network.eval(), calibration, size
