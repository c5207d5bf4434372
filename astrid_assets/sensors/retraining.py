"""New labels, more errors or drifting nights start a training: dataset, U-Net, deployment.

The decision and its reasons are in `steps.learning.retraining`; every tick keeps its own, which
the page /browse/retraining shows.
"""

import datetime as dt

import dagster as dg

from astrid_assets.jobs import learning_job, whole_graph
from astrid_assets.resources.environment import Retraining
from astrid_assets.steps.learning.retraining.decision import should_retrain
from astrid_assets.steps.learning.retraining.facts import LastRun, facts_of
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.queries.retraining import record_decision

INTERVAL_S = 300
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
SETTING_OF = {
    "retraining_dry_run": "dry_run",
    "retraining_labels": "min_labels",
    "retraining_share": "min_share",
    "retraining_first_labels": "min_first_labels",
    "retraining_cool_down": "cool_down_h",
}
"""The setting that each field of `environment.Retraining` sets; unset, the setting's default."""
WITHOUT_RESULT = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dg.sensor(
    job=learning_job,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def retraining(
    context: dg.SensorEvaluationContext, catalogue: dg.ResourceParam[Catalogue]
) -> dg.RunRequest | dg.SkipReason:
    """Request a training when it is worth it; the reason stands in every tick."""
    settings = settings_of_the_environment()
    when = now()
    with catalogue.read() as session:
        facts = facts_of(
            session,
            when,
            _last_run(context.instance),
            is_training=_is_training(context.instance),
        )
    decision = should_retrain(facts, settings)
    with catalogue.begin() as session:
        record_decision(session, decision.action, decision.reason, when)
    if decision.action != "train":
        return dg.SkipReason(decision.reason)
    return dg.RunRequest(run_key=decision.run_key, tags={"astrid/reason": decision.reason})


def settings_of_the_environment() -> RetrainingSettings:
    """Return the settings with what the environment sets."""
    variables = Retraining()
    values = {setting: getattr(variables, name) for name, setting in SETTING_OF.items()}
    return RetrainingSettings(**{name: v for name, v in values.items() if v is not None})


def _last_run(instance: dg.DagsterInstance) -> LastRun | None:
    records = instance.get_run_records(dg.RunsFilter(job_name=learning_job.name), limit=1)
    if not records:
        return None
    [record] = records
    return LastRun(
        record.dagster_run.run_id,
        record.create_timestamp.astimezone(dt.UTC),
        record.dagster_run.status in WITHOUT_RESULT,
    )


def _is_training(instance: dg.DagsterInstance) -> bool:
    return any(
        instance.get_runs_count(dg.RunsFilter(job_name=job.name, statuses=UNFINISHED))
        for job in (learning_job, whole_graph)
    )
