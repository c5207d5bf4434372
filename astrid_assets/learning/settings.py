"""Settings of the training."""

from pydantic import Field

from astrid_assets.science.settings import Settings


class TrainingSettings(Settings):
    """How the network is built and trained."""

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
        description="a smaller train split is gone through several times per epoch, "
        "augmented anew: a few steps do not settle the batch normalisation",
    )
    batch_size: int = Field(default=32, ge=2, description="cutouts per step")
    learning_rate: float = Field(
        default=3e-3,
        gt=0,
        lt=1,
        description="peak of the one cycle",
    )
    weight_decay: float = Field(default=1e-3, ge=0, description="of AdamW")
    gradient_clip: float = Field(
        default=1.0,
        gt=0,
        description="largest norm of a gradient",
    )
    base_filters: int = Field(
        default=8, ge=2, le=128, description="filters of the first level; 64 want a GPU"
    )
    depth: int = Field(default=3, ge=1, le=5, description="times the cutout is halved")
    seed: int = Field(
        default=20250301,
        ge=0,
        description="of weights, order, augmentation",
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="CPU threads; more gain a third on a quiet machine and lose a "
        "factor of ten on a busy one, where they wait for each other; another number "
        "may change the last digits",
    )
