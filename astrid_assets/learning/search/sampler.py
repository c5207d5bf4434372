"""Optuna's sampler with a draw that depends on the trial's number and on results alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler, TPESampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    Space = dict[str, BaseDistribution]


class SeededByTrial(BaseSampler):
    """A TPE sampler that is seeded anew for each trial.

    A search that was cut off so goes on with the draws that it would have made: results
    of earlier calls are trials with numbers, too.

    Parameters
    ----------
    seed
        Seed of the first trial; each further one has the next.
    n_startup_trials
        Trials that are drawn at random, before results are followed.
    """

    def __init__(self, seed: int, n_startup_trials: int) -> None:
        self.seed = seed
        self.n_startup_trials = n_startup_trials
        self._number = -1
        self._sampler = TPESampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        """Return what is drawn together."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Space
    ) -> dict[str, Any]:
        """Draw what is drawn together."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one value."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def _of(self, trial: FrozenTrial) -> TPESampler:
        if trial.number != self._number:
            self._number = trial.number
            self._sampler = TPESampler(
                seed=self.seed + trial.number, n_startup_trials=self.n_startup_trials
            )
        return self._sampler
