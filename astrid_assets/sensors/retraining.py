"""Enough new labels start a training: dataset, U-Net, and the decision to deploy."""

from dataclasses import dataclass

import dagster as dg

from astrid_assets.jobs import learning_job
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.queries import datasets
from astrid_assets.storage.review import labels

MIN_NEW_LABELS = 50  # about an hour of a reviewer; fewer hardly move the test numbers
MIN_FIRST_LABELS = 200  # what a first split in three needs to hold both classes
INTERVAL_S = 300
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether to train, and why, in a sentence."""

    retrain: bool
    reason: str


def should_retrain(*, new_labels: int, has_dataset: bool, is_training: bool) -> RetrainingDecision:
    """Decide from the number of labels that the newest dataset has not seen.

    Parameters
    ----------
    new_labels
        Detections whose consensus (real or bogus) was made or changed since.
    has_dataset
        False before the first dataset; then all labels are new.
    is_training
        A run of the learning job waits or runs: its result is awaited.
    """
    needed = MIN_NEW_LABELS if has_dataset else MIN_FIRST_LABELS
    since = "since the newest dataset" if has_dataset else "and no dataset yet"
    if new_labels < needed:
        return RetrainingDecision(
            retrain=False, reason=f"{new_labels} new labels {since}, {needed} needed"
        )
    if is_training:
        return RetrainingDecision(
            retrain=False,
            reason=f"{new_labels} new labels {since}, and a training is under way",
        )
    return RetrainingDecision(retrain=True, reason=f"{new_labels} new labels {since}")


@dg.sensor(
    job=learning_job,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def retraining(
    context: dg.SensorEvaluationContext, catalogue: dg.ResourceParam[Catalogue]
) -> dg.RunRequest | dg.SkipReason:
    """Request a training when enough labels are new to the newest dataset."""
    with catalogue.read() as session:
        newest = datasets.newest_dataset(session)
        seen = newest.last_sequence if newest else 0
        new_labels = labels.new_label_count(session, seen)
        last_event = labels.last_sequence(session)
    unfinished = context.instance.get_runs_count(
        dg.RunsFilter(job_name=learning_job.name, statuses=UNFINISHED)
    )
    decision = should_retrain(
        new_labels=new_labels,
        has_dataset=newest is not None,
        is_training=unfinished > 0,
    )
    if not decision.retrain:
        return dg.SkipReason(decision.reason)
    # A training that failed is asked for again with the next event, not for ever.
    return dg.RunRequest(
        run_key=f"labels up to event {last_event}",
        tags={"astrid/reason": decision.reason},
    )
