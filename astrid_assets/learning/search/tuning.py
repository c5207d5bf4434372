"""Search for good training settings with Ray Tune: grid, random or Bayesian, with ASHA.

Each trial is an ordinary `training.train` of one network in a process of its own, on
the frozen split, with the data given by path. ASHA stops the trials that fall behind.
The caller keeps the trials (`Ledger`); handed back as `known`, those that ended are not
repeated and the others go on from their last checkpoint, wherever that lies now. Nothing
of Ray itself is kept, so neither its version nor the folder matters.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from astrid_assets.learning.search.algorithms import (
    asha_scheduler,
    bayesian_search,
    waiting_values,
)
from astrid_assets.learning.search.cluster import delivered_events, ray_cluster, trials_at_once
from astrid_assets.learning.search.settings import SearchSettings, check_search
from astrid_assets.learning.search.trial_run import run_trial
from astrid_assets.learning.search.trials import Ledger, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ray.tune import Callback, Tuner

    from astrid_assets.learning.datamodule import TrainArrays
    from astrid_assets.learning.search.space import SearchSpace, Values
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.learning.stamps import Stamps


@dataclass(frozen=True)
class SearchResult:
    """All trials in the order of their begin, and whether time ran out before the last."""

    trials: tuple[Trial, ...]
    out_of_time: bool


def tune(
    stamps: Stamps,
    samples: TrainArrays,
    settings: TrainingSettings,
    search: SearchSettings,
    home: Path,
    *,
    known: Sequence[Trial] = (),
    on_change: Callable[[Trial], None] = lambda _: None,
) -> SearchResult:
    """Try combinations of settings until trials or minutes are used up.

    Parameters
    ----------
    stamps
        Cutouts and masks in shard files, row by row those of `samples`.
    settings
        Everything that is not searched; one member and one thread are trained of it.
    home
        Folder of the search: its trials train in `trial_folder`.
    known
        Trials of earlier calls: ended ones count, others go on.
    on_change
        Called with each trial that changed: begun, an epoch further, ended. On this
        machine the trial waits meanwhile; on a cluster it may be further already.

    Raises
    ------
    BadSpace
        If the space cannot be searched.
    """
    space = check_search(search, settings)
    ledger = Ledger(on_change, {trial.name: trial for trial in known})
    waiting = waiting_values(search, space, known)
    count = (
        search.trials - sum(trial.status != "running" for trial in known)
        if search.search == "bayesian"
        else len(waiting)
    )
    if count <= 0:
        return SearchResult(tuple(ledger.trials.values()), out_of_time=False)
    home.mkdir(parents=True, exist_ok=True)
    # What Ray keeps of a run is of no use to the next one.
    shutil.rmtree(home / "ray", ignore_errors=True)
    given = _given(stamps, samples, settings, search, home.absolute())
    ended_by = None if search.minutes is None else time.monotonic() + search.minutes * 60

    def take(event: Mapping[str, Any]) -> None:
        is_over = ended_by is not None and time.monotonic() >= ended_by
        # Cut off by the clock, not by the scheduler: it can go on another time.
        if not (is_over and event.get("status") == "stopped"):
            ledger(event)

    with ray_cluster(search), delivered_events(take) as follower:
        _tuner(given, settings, search, space, waiting, count, known, follower).fit()
    done = sum(trial.status != "running" for trial in ledger.trials.values())
    wanted = count + sum(trial.status != "running" for trial in known)
    return SearchResult(
        tuple(ledger.trials.values()),
        out_of_time=ended_by is not None and time.monotonic() >= ended_by and done < wanted,
    )


def _given(
    stamps: Stamps,
    samples: TrainArrays,
    settings: TrainingSettings,
    search: SearchSettings,
    home: Path,
) -> dict[str, Any]:
    """Return what all trials share, as plain values and paths."""
    arrays = home / "samples.npz"
    weights = np.empty(0, np.float32) if samples.weights is None else samples.weights
    np.savez(
        arrays,
        labels=samples.labels,
        split=samples.split,
        weights=weights,
        measurements=samples.measured,
    )
    return {
        "images": [str(path.absolute()) for path in stamps.images],
        "masks": [str(path.absolute()) for path in stamps.masks],
        "samples": str(arrays),
        "settings": settings.model_dump(mode="json") | {"threads": 1, "members": 1, "devices": 1},
        "metric": search.metric,
        "home": str(home),
    }


def _tuner(
    given: Mapping[str, Any],
    settings: TrainingSettings,
    search: SearchSettings,
    space: SearchSpace,
    waiting: Sequence[Values],
    count: int,
    known: Sequence[Trial],
    follower: Callback,
) -> Tuner:
    from ray import tune as ray_tune
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.basic_variant import BasicVariantGenerator

    at_once = trials_at_once(search)
    resources = {"cpu": 1.0, "gpu": search.gpus_per_trial}
    trainable = ray_tune.with_resources(
        ray_tune.with_parameters(run_trial, given=dict(given)), resources
    )
    if search.search == "bayesian":
        # Without the limiter Tune would ask for many suggestions before the first result.
        algorithm = ConcurrencyLimiter(bayesian_search(search, space, waiting, known), at_once)
        param_space: dict[str, Any] = {}
    else:
        algorithm = BasicVariantGenerator(max_concurrent=at_once)
        param_space = {"values": ray_tune.grid_search(list(waiting))}
    return ray_tune.Tuner(
        trainable,
        param_space=param_space,
        tune_config=ray_tune.TuneConfig(
            num_samples=count if search.search == "bayesian" else 1,
            search_alg=algorithm,
            scheduler=asha_scheduler(settings, search, space, known),
            time_budget_s=None if search.minutes is None else search.minutes * 60,
            # A worker needs seconds to import torch.
            reuse_actors=True,
        ),
        run_config=ray_tune.RunConfig(
            name="ray",
            storage_path=str(given["home"]),
            verbose=0,
            callbacks=[follower],
        ),
    )
