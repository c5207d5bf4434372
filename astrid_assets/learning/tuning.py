"""Search for good training settings with Ray Tune.

Each trial is an ordinary `training.train` in a process of its own, with the data
given by path; ASHA stops the trials that fall behind. A search that was killed goes
on: finished trials stay, the others resume from their last checkpoint.
"""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from astrid_assets.learning.datamodule import TrainArrays
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.learning.stamps import Stamps
from astrid_assets.learning.training import train
from astrid_assets.science.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray.tune import ResultGrid, Tuner

METRIC = "val_loss"
NAME = "search"
OBJECT_STORE_BYTES = 100_000_000
"""Enough: the cutouts are read from files, not passed through Ray."""


class SearchSettings(Settings):
    """What is searched, and how long."""

    trials: int = Field(default=8, ge=1, description="settings tried")
    min_learning_rate: float = Field(default=5e-4, gt=0, description="log-uniform from")
    max_learning_rate: float = Field(default=1e-2, gt=0, description="log-uniform to")
    base_filters: tuple[int, ...] = Field(
        default=(4, 8, 16), min_length=1, description="numbers of filters tried"
    )
    grace_epochs: int = Field(default=3, ge=1, description="epochs before ASHA may stop a trial")
    cpus: int = Field(default=2, ge=1, description="trials that run at once")
    seed: int = Field(default=0, ge=0, description="of the draws")


@dataclass(frozen=True)
class Trial:
    """One tried setting and how far it came."""

    learning_rate: float
    base_filters: int
    epochs: int
    val_loss: float
    val_auc: float


@dataclass(frozen=True)
class TuningResult:
    """The best settings, to be trained in full, and all trials, best first."""

    best: TrainingSettings
    trials: tuple[Trial, ...]


class SearchFailed(RuntimeError):
    """No trial came to an end; the message holds the first error."""


def tune(
    stamps: Stamps,
    samples: TrainArrays,
    settings: TrainingSettings,
    search: SearchSettings,
    run_dir: Path,
) -> TuningResult:
    """Search learning rate and number of filters for the lowest val loss.

    Parameters
    ----------
    stamps
        Cutouts and masks in shard files, row by row those of `samples`.
    settings
        Everything that is not searched.
    run_dir
        Home of the search; a search found here is continued.

    Raises
    ------
    SearchFailed
        If every trial failed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    import ray

    run_dir.mkdir(parents=True, exist_ok=True)
    arrays = run_dir.absolute() / "samples.npz"
    np.savez(arrays, labels=samples.labels, split=samples.split)
    fixed = {
        "images": [str(path.absolute()) for path in stamps.images],
        "masks": [str(path.absolute()) for path in stamps.masks],
        "samples": str(arrays),
        "settings": settings.model_dump(mode="json") | {"threads": 1},
    }
    # Ray's sockets live here, and their paths must stay under about 100 characters.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as short:
        ray.init(
            num_cpus=search.cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.WARNING,
            _temp_dir=short,
        )
        try:
            grid = _tuner(fixed, settings, search, run_dir).fit()
            trials = _trials(grid)
        finally:
            ray.shutdown()
    best = trials[0]
    return TuningResult(
        settings.model_copy(
            update={
                "learning_rate": best.learning_rate,
                "base_filters": best.base_filters,
            }
        ),
        trials,
    )


def run_trial(config: Mapping[str, object], fixed: Mapping[str, object]) -> None:
    """Train once with drawn settings and report each epoch; Ray calls this."""
    from ray import tune as ray_tune

    given, images, masks = fixed["settings"], fixed["images"], fixed["masks"]
    if not isinstance(given, dict):
        raise TypeError("settings are handed to a trial as a dictionary")
    if not isinstance(images, list) or not isinstance(masks, list):
        raise TypeError("shards are handed to a trial as lists of paths")
    with np.load(str(fixed["samples"]), allow_pickle=False) as arrays:
        samples = TrainArrays(arrays["labels"], arrays["split"])
    train(
        Stamps(tuple(map(Path, images)), tuple(map(Path, masks))),
        samples,
        TrainingSettings.model_validate(given | dict(config)),
        Path(ray_tune.get_context().get_trial_dir()) / "training",
        on_epoch=lambda metrics: ray_tune.report(dict(metrics)),
    )


def _tuner(
    fixed: Mapping[str, object],
    settings: TrainingSettings,
    search: SearchSettings,
    run_dir: Path,
) -> Tuner:
    from ray import tune as ray_tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.basic_variant import BasicVariantGenerator

    trainable = ray_tune.with_parameters(run_trial, fixed=dict(fixed))
    home = run_dir.absolute() / NAME
    if ray_tune.Tuner.can_restore(str(home)):
        return ray_tune.Tuner.restore(
            str(home), trainable, resume_unfinished=True, restart_errored=True
        )
    return ray_tune.Tuner(
        trainable,
        param_space={
            "learning_rate": ray_tune.loguniform(
                search.min_learning_rate, search.max_learning_rate
            ),
            "base_filters": ray_tune.choice(list(search.base_filters)),
        },
        tune_config=ray_tune.TuneConfig(
            metric=METRIC,
            mode="min",
            num_samples=search.trials,
            search_alg=BasicVariantGenerator(random_state=search.seed),
            scheduler=ASHAScheduler(
                time_attr="training_iteration",
                max_t=settings.epochs,
                grace_period=min(search.grace_epochs, settings.epochs),
            ),
        ),
        run_config=ray_tune.RunConfig(name=NAME, storage_path=str(run_dir.absolute()), verbose=0),
    )


def _trials(grid: ResultGrid) -> tuple[Trial, ...]:
    """Return what came of each trial, the lowest val loss of any epoch first."""
    trials = []
    for result in grid:
        history = result.metrics_dataframe
        if result.config is None or history is None or history.empty:
            continue
        best = history.loc[history[METRIC].idxmin()]
        trials.append(
            Trial(
                learning_rate=float(result.config["learning_rate"]),
                base_filters=int(result.config["base_filters"]),
                epochs=len(history),
                val_loss=float(best[METRIC]),
                val_auc=float(best["val_auc"]),
            )
        )
    if not trials:
        reason = grid.errors[0] if grid.errors else "no epoch was finished"
        raise SearchFailed(f"no trial of the search came to an end: {reason}")
    return tuple(sorted(trials, key=lambda trial: trial.val_loss))
