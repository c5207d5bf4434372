"""Settings of the training; each is part of a training's identity but the last three."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from astrid_assets.science.detection.measurements import MEASUREMENTS
from astrid_assets.science.settings import Settings

Network = Literal["unet", "cnn"]
Activation = Literal["relu", "leaky_relu", "silu", "gelu"]
PixelLoss = Literal["bce", "focal", "none"]
OverlapLoss = Literal["dice", "tversky", "none"]
Optimiser = Literal["adamw", "adam", "sgd"]
Schedule = Literal["one_cycle", "cosine", "constant"]
Precision = Literal["32", "bf16"]
ThresholdTarget = Literal["f1", "completeness", "false_positives_per_night"]

CHANNELS = ("science", "reference", "score")
"""The channels of a cutout, in their order; see `science.arrays.types.Cutouts`."""

WHERE_IT_RUNS = frozenset({"threads", "accelerator", "devices", "precision"})
"""Settings of the machine: they change the last digits at most, not what is trained."""


SEEDS_APART = 1000
"""Seeds from one attempt to the next; members of an attempt have following ones."""


class NetworkSettings(Settings):
    """The shape of the network."""

    network: Network = Field(
        default="unet",
        description="unet draws a mask; cnn is the small baseline, which knows the "
        "candidate's score only: take its losses of pixels and overlap off",
        exclude_if=lambda value: value == "unet",
    )
    channels: list[str] = Field(
        default=["science", "reference", "score"],
        min_length=1,
        description="what it sees of a cutout, in this order: science, reference, score",
    )
    measurements: list[str] = Field(
        default=list(MEASUREMENTS),
        description="what it is given beside the pixels: numbers that detection measured, see "
        "science.detection.measurements; none: it sees pixels only",
    )
    size: int = Field(
        default=64, ge=16, description="pixels around the centre that it sees, a side"
    )
    base_filters: int = Field(
        default=8, ge=2, le=128, description="filters of the first level; 64 want a GPU"
    )
    depth: int = Field(default=3, ge=1, le=5, description="times the cutout is halved")
    activation: Activation = Field(default="relu", description="between the convolutions")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="share of the deepest level's features left out"
    )

    @field_validator("channels")
    @classmethod
    def _known_channels(cls, channels: list[str]) -> list[str]:
        if unknown := sorted(set(channels) - set(CHANNELS)):
            raise ValueError(f"cutouts have no channel {unknown[0]!r}, they have {CHANNELS}")
        if len(set(channels)) != len(channels):
            raise ValueError(f"a channel is named twice: {channels}")
        return channels

    @field_validator("measurements")
    @classmethod
    def _known_measurements(cls, names: list[str]) -> list[str]:
        if unknown := sorted(set(names) - set(MEASUREMENTS)):
            raise ValueError(
                f"nothing measured is called {unknown[0]!r}; there are {', '.join(MEASUREMENTS)}"
            )
        if len(set(names)) != len(names):
            raise ValueError(f"a measurement is named twice: {names}")
        return names

    @model_validator(mode="after")
    def _halves(self) -> NetworkSettings:
        if self.size % 2**self.depth:
            raise ValueError(
                f"cutouts of {self.size} px cannot be halved {self.depth} times: choose a "
                f"smaller depth, or a size that is a multiple of {2**self.depth}"
            )
        return self


class LossSettings(Settings):
    """What training minimises: a sum of three terms, each with a weight."""

    pixel_loss: PixelLoss = Field(default="bce", description="of each pixel of the mask")
    pixel_weight: float = Field(
        default=10.0,
        ge=0,
        description="of that term; a mask covers 0.5 % of a cutout, 10 brings the mean over "
        "all pixels to the size of the others",
    )
    focal_gamma: float = Field(default=2.0, ge=0, description="how far `focal` spares the easy")
    overlap_loss: OverlapLoss = Field(default="dice", description="of the mask as a whole")
    overlap_weight: float = Field(default=1.0, ge=0, description="of that term")
    tversky_missed: float = Field(
        default=0.7, gt=0, lt=1, description="what `tversky` charges for a missed pixel, of 1"
    )
    candidate_weight: float = Field(
        default=1.0, ge=0, description="of the cross-entropy of the candidate's own score"
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=0.5, description="how far labels are drawn towards one half"
    )

    @model_validator(mode="after")
    def _something(self) -> LossSettings:
        pixels = self.pixel_weight * (self.pixel_loss != "none")
        overlap = self.overlap_weight * (self.overlap_loss != "none")
        if pixels + overlap + self.candidate_weight <= 0:
            raise ValueError("all terms of the loss have weight 0: nothing would be learned")
        return self


class AugmentationSettings(Settings):
    """What the sky could equally well have shown."""

    turn: bool = Field(default=True, description="one of the square's eight symmetries")
    shift_px: int = Field(
        default=2, ge=0, le=3, description="largest shift; the score looks 4 px around the centre"
    )
    noise_sigma: float = Field(
        default=0.5, ge=0, description="largest added noise, in the sky's sigma"
    )
    flux_scale: float = Field(
        default=1.0, ge=1, description="largest factor by which all is made brighter or fainter"
    )
    blur_px: float = Field(
        default=0.0, ge=0, le=3, description="largest sigma of a Gaussian that blurs all channels"
    )
    swap: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share in which science and reference are exchanged and the score its sign",
    )
    unmeasured: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="share that is shown without measurements, as alerts come",
    )


class TrainingSettings(NetworkSettings, LossSettings, AugmentationSettings):
    """How the network is built and trained."""

    members: int = Field(
        default=1, ge=1, le=10, description="networks of different seeds that are averaged"
    )
    epochs: int = Field(
        default=15,
        ge=1,
        description="passes over the train split, at most",
    )
    patience: int = Field(
        default=5,
        ge=1,
        description="epochs without a lower val loss before training stops",
    )
    cutouts_per_epoch: int = Field(
        default=1000,
        ge=1,
        description="a smaller train split is gone through more than once per epoch, "
        "augmented anew: a few steps do not settle the batch normalisation",
    )
    rarest: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="share of an epoch's draws that a rare class gets at least",
    )
    batch_size: int = Field(default=32, ge=2, description="cutouts per step")
    accumulate: int = Field(
        default=1, ge=1, description="batches whose gradients are added before a step"
    )
    optimiser: Optimiser = Field(default="adamw", description="rule of the steps")
    schedule: Schedule = Field(
        default="one_cycle", description="of the learning rate over the training"
    )
    learning_rate: float = Field(
        default=3e-3,
        gt=0,
        lt=1,
        description="the highest of the schedule",
    )
    weight_decay: float = Field(default=1e-3, ge=0, description="of the optimiser")
    gradient_clip: float = Field(
        default=1.0,
        gt=0,
        description="largest norm of a gradient",
    )
    average_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="decay per step of a moving average of the weights, which is what is "
        "validated and kept; 0: none",
    )
    keep_every: int = Field(
        default=0, ge=0, description="epochs between checkpoints that stay; 0: last and best only"
    )
    seed: int = Field(
        default=20250301,
        ge=0,
        description="of weights, order, augmentation",
    )
    attempt: int = Field(
        default=1,
        ge=1,
        description="number of the attempt on the same data and settings: each draws with "
        "further seeds, and counts when the model is judged for deployment",
        exclude_if=lambda value: value == 1,
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="CPU threads; more gain a third on a quiet machine and lose a "
        "factor of ten on a busy one, where they wait for each other; another number "
        "may change the last digits",
    )
    accelerator: str = Field(
        default="auto", description="where it trains: auto, cpu, cuda, mps; auto takes a GPU"
    )
    devices: int = Field(default=1, ge=1, description="processors of that kind, one process each")
    precision: Precision = Field(
        default="32", description="of the multiplications; bf16 is quicker on a GPU"
    )

    @property
    def first_seed(self) -> int:
        """Seed of the first member; no two attempts of one seed share any."""
        return self.seed + SEEDS_APART * (self.attempt - 1)


class ThresholdSettings(Settings):
    """What the threshold of a model is chosen for, on the val split."""

    threshold_target: ThresholdTarget = Field(
        default="f1",
        description="f1: the best mean of purity and completeness at `threshold_prevalence`; "
        "completeness: the highest threshold that keeps `threshold_completeness`; "
        "false_positives_per_night: the lowest that lets at most that many bogus pass",
    )
    threshold_prevalence: float = Field(
        default=0.5, gt=0, lt=1, description="share of real for which F1 is the best"
    )
    threshold_completeness: float = Field(
        default=0.95, gt=0, lt=1, description="share of the real that is to be kept"
    )
    false_positives_per_night: float = Field(
        default=10.0, gt=0, description="bogus that reviewers accept to see in a night"
    )
