"""Whether the model in force is still what it was, and no worse than the one before.

Two events, see `learning.gate.health`: a fall against the model's own figure alerts and asks
for a retraining; ranking worse than its predecessor on the same items takes it back.
"""

import dagster as dg

from astrid_assets.alerts import send_alert
from astrid_assets.jobs import learning_job, rollback_job
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.queries import models

INTERVAL_S = 900


@dg.sensor(
    jobs=[rollback_job, learning_job],
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def deployed_model_health(
    context: dg.SensorEvaluationContext, catalogue: dg.ResourceParam[Catalogue]
) -> dg.RunRequest | dg.SkipReason:
    """Take a champion back that is worse than its predecessor; retrain one that fell."""
    # Loads scipy, which the graph is loaded without.
    from astrid_assets.steps.learning.health import champion_health

    with catalogue.read() as session:
        champion = models.champion(session)
        if champion is None:
            return dg.SkipReason("no model is in force")
        found = champion_health(session, champion)
    if found.behind is not None and found.behind.event:
        reason = f"worse than before: {found.behind.reason}"
        _alert(context, champion, f"rollback after deployment {found.deployment}", reason)
        # One rollback for each decision to deploy, whatever becomes of it.
        return dg.RunRequest(
            run_key=f"after deployment {found.deployment}",
            job_name=rollback_job.name,
            run_config={"ops": {"rollback": {"config": {"because": reason}}}},
            tags={"astrid/reason": reason},
        )
    if found.fall is None:
        return dg.SkipReason("the model in force has no stored evaluation")
    if found.fall.event:
        reason = f"the model in force fell against its own figure: {found.fall.reason}"
        look = f"fall after deployment {found.deployment}, look at {found.fall.stop}"
        _alert(context, champion, look, reason)
        return dg.RunRequest(
            run_key=look, job_name=learning_job.name, tags={"astrid/reason": reason}
        )
    return dg.SkipReason("; ".join(one.reason for one in (found.fall, found.behind) if one))


def _alert(context: dg.SensorEvaluationContext, champion: Model, event: str, reason: str) -> None:
    """Report an event once."""
    if context.cursor == event:
        return
    context.update_cursor(event)
    send_alert(f"AstrID: {champion.name} version {champion.version}: {reason}")
