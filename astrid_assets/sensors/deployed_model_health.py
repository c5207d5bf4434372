"""Whether the model in force still separates real from bogus on labels new to it.

Judged are only detections that the champion scored and whose labels came after the
dataset it was trained on. Reviewers choose what they label, so these are no fair sample
of a night: the model is taken back only when even the upper end of what its ranking
can be lies clearly below what it reached on its test split. Anything less is reported.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import dagster as dg
import numpy as np
from sqlalchemy.orm import Session

from astrid_assets.jobs import rollback_job
from astrid_assets.learning.ranking import roc_auc
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset, TrainingRun
from astrid_assets.storage.queries import models
from astrid_assets.storage.review import labels

MIN_PER_CLASS = 30  # the interval of an AUC from fewer is wider than what it judges
TOLERATED_LOSS = 0.05  # of ROC AUC: nights differ from a test split, models do not fail
CONFIDENCE = 0.95
INTERVAL_S = 900


@dataclass(frozen=True)
class MeasuredAuc:
    """ROC AUC of a sample of scores, with its standard error."""

    auc: float
    error: float
    n_real: int
    n_bogus: int

    @property
    def upper(self) -> float:
        """The one-sided upper end of the AUC."""
        return min(1.0, self.auc + NormalDist().inv_cdf(CONFIDENCE) * self.error)


@dataclass(frozen=True)
class DeployedModelHealth:
    """What the labels say about the champion; `roll_back` is True when it must go."""

    roll_back: bool
    reason: str


def measure_auc(real: Sequence[float], bogus: Sequence[float]) -> MeasuredAuc:
    """Return the ROC AUC of two groups of scores with its error; ties count half.

    Parameters
    ----------
    real, bogus
        Scores of detections that reviewers called so; at least one of each.

    Raises
    ------
    CannotEvaluate
        If a group is empty or a score is not finite.

    References
    ----------
    Hanley & McNeil 1982, Radiology 143, 29: the standard error.
    """
    n_real, n_bogus = len(real), len(bogus)
    is_real = np.arange(n_real + n_bogus) < n_real
    auc = roc_auc(np.array([*real, *bogus], dtype=np.float64), is_real)
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n_real - 1) * (q1 - auc**2) + (n_bogus - 1) * (q2 - auc**2)) / (
        n_real * n_bogus
    )
    return MeasuredAuc(auc, math.sqrt(max(variance, 0.0)), n_real, n_bogus)


def judge_champion(
    real: Sequence[float],
    bogus: Sequence[float],
    *,
    test_auc: float,
    threshold: float,
    has_previous: bool,
) -> DeployedModelHealth:
    """Compare the champion on new labels with what it reached on its test split.

    Parameters
    ----------
    real, bogus
        The champion's scores of detections that got these labels after its training.
    test_auc
        Its ROC AUC on its test split.
    threshold
        Score at and above which it calls a detection real.
    has_previous
        Whether there is a model to go back to.
    """
    if min(len(real), len(bogus)) < MIN_PER_CLASS:
        return DeployedModelHealth(
            roll_back=False,
            reason=f"{len(real)} real and {len(bogus)} bogus labels are new to the "
            f"model in force; {MIN_PER_CLASS} of each are needed to judge it",
        )
    ranking = measure_auc(real, bogus)
    false_alarms = sum(score >= threshold for score in bogus)
    measured = (
        f"ROC AUC {ranking.auc:.3f} (at most {ranking.upper:.3f}) on {len(real)} real "
        f"and {len(bogus)} bogus new labels, {test_auc:.3f} on its test split; "
        f"{false_alarms} of the bogus were called real"
    )
    if ranking.upper >= test_auc - TOLERATED_LOSS:
        return DeployedModelHealth(roll_back=False, reason=measured)
    if not has_previous:
        return DeployedModelHealth(
            roll_back=False,
            reason=f"the model in force got worse, and there is none before it: {measured}",
        )
    return DeployedModelHealth(
        roll_back=True, reason=f"clearly worse than when deployed: {measured}"
    )


@dg.sensor(
    job=rollback_job,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def deployed_model_health(
    context: dg.SensorEvaluationContext, catalogue: dg.ResourceParam[Catalogue]
) -> dg.RunRequest | dg.SkipReason:
    """Request a rollback when the champion ranks new labels clearly worse."""
    with catalogue.read() as session:
        champion = models.champion(session)
        if champion is None:
            return dg.SkipReason("no model is in force")
        test_auc = _test_auc(champion)
        if test_auc is None:
            return dg.SkipReason("the model in force has no stored evaluation")
        real, bogus = _new_scores(session, champion)
        previous = models.previous(session)
        last = models.last_deployment(session)
    health = judge_champion(
        real,
        bogus,
        test_auc=test_auc,
        threshold=champion.threshold,
        has_previous=previous is not None,
    )
    if not health.roll_back:
        return dg.SkipReason(health.reason)
    context.log.warning("%s version %s: %s", champion.name, champion.version, health.reason)
    # One rollback for each decision to deploy, whatever becomes of it.
    return dg.RunRequest(
        run_key=f"after deployment {last.sequence if last else 0}",
        run_config={"ops": {"rollback": {"config": {"because": health.reason}}}},
        tags={"astrid/reason": health.reason},
    )


def _new_scores(session: Session, champion: Model) -> tuple[list[float], list[float]]:
    """Return the champion's scores of real and of bogus it was not trained on."""
    run = session.get(TrainingRun, champion.training_run_id)
    dataset = session.get(TrainingDataset, run.dataset_id) if run else None
    seen = dataset.last_sequence if dataset else 0
    if labels.new_label_count(session, seen) < 2 * MIN_PER_CLASS:
        return [], []
    rows = [
        row
        for row in labels.labelled_detections(session)
        if row.last_sequence > seen and row.model_id == champion.id
    ]
    return (
        [row.score for row in rows if row.label == "real"],
        [row.score for row in rows if row.label == "bogus"],
    )


def _test_auc(champion: Model) -> float | None:
    """Return the ROC AUC of the stored evaluation."""
    ranking = champion.metrics.get("model")
    return float(ranking["roc_auc"]["value"]) if ranking else None
