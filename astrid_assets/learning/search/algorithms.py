"""What Ray Tune tries next and what it stops, given the trials of earlier calls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from astrid_assets.learning.search.trial_run import EPOCHS_DONE, OBJECTIVE
from astrid_assets.learning.search.trials import Trial, is_maximised, name_of, objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    from astrid_assets.learning.search.settings import SearchSettings
    from astrid_assets.learning.search.space import SearchSpace, Values
    from astrid_assets.learning.settings import TrainingSettings

REDUCTION = 3
"""At each rung of ASHA one trial in this many goes on."""

STARTUP_SHARE = 0.25
"""Share of a Bayesian search that is drawn at random, before there is a model to follow."""

_NO_CONTROLLER: Any = None
"""ASHA is given Tune's controller and does not look at it."""


def waiting_values(
    search: SearchSettings, space: SearchSpace, known: Sequence[Trial]
) -> list[Values]:
    """Return the combinations that are known to be tried; those cut off first."""
    ended = {trial.name for trial in known if trial.status != "running"}
    cut_off = [trial.values for trial in known if trial.status == "running"]
    listed = {
        "grid": space.grid,
        "random": lambda: space.draws(search.trials, search.seed),
        "bayesian": list,
    }[search.search]()
    names = {name_of(values) for values in cut_off} | ended
    return cut_off + [values for values in listed if name_of(values) not in names]


def asha_scheduler(
    settings: TrainingSettings,
    search: SearchSettings,
    space: SearchSpace,
    known: Sequence[Trial],
) -> ASHAScheduler:
    """Return ASHA with the rungs as far as ended trials have filled them."""
    from ray.tune.schedulers import ASHAScheduler

    longest = settings.epochs
    if "epochs" in space.axes:
        longest = int(max(float(value) for value in space.axes["epochs"].grid()))
    asha = ASHAScheduler(
        time_attr=EPOCHS_DONE,
        metric=OBJECTIVE,
        mode="max" if is_maximised(search.metric) else "min",
        # One more than there are: a trial that does all of them ends by itself.
        max_t=longest + 1,
        grace_period=min(search.grace_epochs, longest),
        reduction_factor=REDUCTION,
    )
    for trial in known:
        if trial.status in {"finished", "stopped"}:
            past: Any = _Past(trial.name)
            asha.on_trial_add(_NO_CONTROLLER, past)
            for done in range(1, len(trial.history) + 1):
                reached = objective(trial.history[:done], search.metric)
                asha.on_trial_result(_NO_CONTROLLER, past, {EPOCHS_DONE: done, OBJECTIVE: reached})
    return asha


@dataclass(frozen=True)
class _Past:
    """A trial of an earlier call, as far as ASHA looks at it."""

    trial_id: str


def bayesian_search(
    search: SearchSettings, space: SearchSpace, waiting: Sequence[Values], known: Sequence[Trial]
) -> OptunaSearch:
    """Return Optuna's search with the results so far, and what was cut off first in line."""
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    from astrid_assets.learning.search.sampler import SeededByTrial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ended = [trial for trial in known if trial.status != "running"]
    found = OptunaSearch(
        space={_axis(name): axis for name, axis in space.distributions().items()},
        metric=OBJECTIVE,
        mode="max" if is_maximised(search.metric) else "min",
        points_to_evaluate=[_on_axes(values) for values in waiting] or None,
        sampler=SeededByTrial(search.seed, max(2, round(STARTUP_SHARE * search.trials))),
    )
    for trial in ended:
        reached = objective(trial.history, search.metric)
        is_lost = trial.status == "failed" or not math.isfinite(reached)
        found.add_evaluated_point(_on_axes(trial.values), reached, error=is_lost)
    return found


def _axis(name: str) -> str:
    return f"values/{name}"


def _on_axes(values: Values) -> dict[str, Any]:
    return {_axis(name): value for name, value in values.items()}
