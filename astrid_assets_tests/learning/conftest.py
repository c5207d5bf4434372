"""A small training that many tests look at, done once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.learning.training import TrainedModel, train
from astrid_assets_tests.learning.synthetic import Synthetic, synthetic_cutouts

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.learning.stamps import Stamps

SMALL = TrainingSettings(
    epochs=6,
    cutouts_per_epoch=200,
    base_filters=4,
    depth=2,
    batch_size=16,
    learning_rate=1e-2,
    threads=1,
    seed=5,
)
"""A network and a length that train in a second or two on 32-pixel cutouts."""


@dataclass(frozen=True)
class SmallTraining:
    """Cutouts, where they lie, and the network trained on them."""

    cutouts: Synthetic
    stamps: Stamps
    run_dir: Path
    model: TrainedModel


@pytest.fixture(scope="session")
def small_cutouts() -> Synthetic:
    """160 cutouts of 32 pixels."""
    return synthetic_cutouts(np.random.default_rng(11), 160, 32)


@pytest.fixture(scope="session")
def small_training(
    small_cutouts: Synthetic, tmp_path_factory: pytest.TempPathFactory
) -> SmallTraining:
    """A finished training; tests must not change its folder."""
    folder = tmp_path_factory.mktemp("small")
    stamps = small_cutouts.save(folder)
    run_dir = folder / "run"
    model = train(stamps, small_cutouts.arrays(), SMALL, run_dir)
    return SmallTraining(small_cutouts, stamps, run_dir, model)
