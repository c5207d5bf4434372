"""Whether the model in force is still what it was, and no worse than the one before.

Two events, see `learning.gate.health`. Ranking worse than its predecessor on the same items takes
a model back. A fall against its own figure is kept with the decision that put it in force: the
sensor `alerts` reports it, and `retraining` starts with fewer new labels.
"""

import dagster as dg

from astrid_assets.jobs import rollback_job
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.queries import models

INTERVAL_S = 900


@dg.sensor(
    job=rollback_job,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def deployed_model_health(
    catalogue: dg.ResourceParam[Catalogue],
) -> dg.RunRequest | dg.SkipReason:
    """Take a champion back that is worse than its predecessor; note that one fell."""
    # Loads scipy, which the graph is loaded without.
    from astrid_assets.steps.learning.health import champion_health

    with catalogue.read() as session:
        champion = models.champion(session)
        if champion is None:
            return dg.SkipReason("no model is in force")
        found = champion_health(session, champion)
    if found.behind is not None and found.behind.event:
        reason = f"worse than before: {found.behind.reason}"
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
        fall = f"the model in force fell against its own figure: {found.fall.reason}"
        with catalogue.begin() as session:
            models.note_fall(session, fall)
        return dg.SkipReason(f"{fall}; noted for the sensors `alerts` and `retraining`")
    return dg.SkipReason("; ".join(one.reason for one in (found.fall, found.behind) if one))
