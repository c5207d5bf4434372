"""How much each searched setting mattered: functional ANOVA of the trials."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from astrid_assets.learning.search.trials import objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.learning.search.space import SearchSpace
    from astrid_assets.learning.search.trials import Metric, Trial

FEWEST_TRIALS = 8
"""With fewer a forest explains noise."""


def importance_of(
    space: SearchSpace, trials: Sequence[Trial], metric: Metric
) -> dict[str, float] | None:
    """Return the share of the metric's variance that each setting explains by itself.

    Parameters
    ----------
    trials
        Those that failed, or have no epoch, are left out.

    Returns
    -------
    importance : settings by name, the most important first; sums to 1
        None with fewer than `FEWEST_TRIALS` trials, or where all did equally well.

    References
    ----------
    Hutter, Hoos & Leyton-Brown 2014, ICML, "An efficient approach for assessing
    hyperparameter importance".
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    judged = [
        (trial.values, reached)
        for trial in trials
        if trial.status != "failed" and math.isfinite(reached := objective(trial.history, metric))
    ]
    if len(judged) < FEWEST_TRIALS or len({reached for _, reached in judged}) < 2:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = space.distributions()
    with warnings.catch_warnings():
        # Optuna about what may change in a later version.
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction="minimize")
        study.add_trials(
            [
                optuna.create_trial(params=dict(values), distributions=distributions, value=reached)
                for values, reached in judged
            ]
        )
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in found.items()}
