"""A small CNN of the kind that surveys run: what the U-Net has to beat.

The architecture and size of ZTF's braai: two pairs of convolutions, pooled, then a dense
layer; only the window on the cutout, its preprocessing and the training loop are ours,
so that what differs is the network. It knows the candidate's score and no mask: every
pixel of what it returns is the same logit, and losses on pixels must be off.

References
----------
Duev et al. 2019, MNRAS 489, 3582 (VGG6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from astrid_assets.learning.unet import CandidateHead, CompressCutouts, Logits

if TYPE_CHECKING:
    from astrid_assets.learning.settings import NetworkSettings, TrainingSettings

FILTERS = (16, 32)
DENSE = 256
CONVOLUTION_DROPOUT, DENSE_DROPOUT = 0.25, 0.5


class CandidateCNN(nn.Module):
    """VGG6 on cutouts of the size in the settings; one logit per cutout."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        few, many = FILTERS
        self.compress = CompressCutouts()
        self.features = nn.Sequential(
            nn.Conv2d(len(settings.channels), few, 3),
            nn.ReLU(),
            nn.Conv2d(few, few, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(CONVOLUTION_DROPOUT),
            nn.Conv2d(few, many, 3),
            nn.ReLU(),
            nn.Conv2d(many, many, 3),
            nn.ReLU(),
            nn.MaxPool2d(4),
            nn.Dropout(CONVOLUTION_DROPOUT),
            nn.Flatten(),
        )
        side = ((settings.size - 4) // 2 - 4) // 4
        self.head = nn.Sequential(
            nn.Linear(many * side * side, DENSE),
            nn.ReLU(),
            nn.Dropout(DENSE_DROPOUT),
            nn.Linear(DENSE, 1),
        )
        self.candidate = CandidateHead(settings.measurements)

    def forward(self, cutouts: Tensor, measurements: Tensor | None = None) -> Logits:
        """Return the candidate's logit, as its own and as that of every pixel."""
        logit = self.head(self.features(self.compress(cutouts)))  # (B, 1)
        height, width = cutouts.shape[-2:]
        mask = logit[:, :, None, None].expand(-1, -1, height, width)
        return Logits(mask, self.candidate(logit[:, 0], measurements))


def baseline_settings(settings: TrainingSettings) -> TrainingSettings:
    """Return the settings of the baseline's training: the same loop, the candidate's loss.

    Its learning rate is the one of the paper's optimiser; a U-Net with batch
    normalisation takes ten times as much.
    """
    return settings.model_copy(
        update={
            "network": "cnn",
            # Pixels only, as there.
            "measurements": [],
            "members": 1,
            "pixel_loss": "none",
            "overlap_loss": "none",
            "candidate_weight": 1.0,
            "learning_rate": settings.learning_rate / 10,
        }
    )
