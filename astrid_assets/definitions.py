"""The only wiring: assets, checks, jobs, sensors and schedules with their resources.

A deployment differs by its environment, or by the resources it passes to
`build_definitions`; no code asks where it runs. Loading this module imports no
framework of learning or tracking: that happens in the steps that need them.
"""

from __future__ import annotations

import warnings

import dagster as dg

from astrid_assets.resources.compute import ComputeResource
from astrid_assets.resources.database import CatalogueResource
from astrid_assets.resources.environment import Addresses, Computing, keep_compiled_code
from astrid_assets.resources.experiment_tracking import ExperimentTracking
from astrid_assets.resources.object_store import ObjectStoreResource
from astrid_assets.resources.survey_archives import SurveyArchives


def build_definitions(**resource_overrides: object) -> dg.Definitions:
    """Return the graph with resources from the environment, or those passed.

    Parameters
    ----------
    resource_overrides
        Plain objects or Dagster resources by key: ``catalogue``, ``store``,
        ``sources``, ``compute``, ``tracking``.

    Raises
    ------
    ValueError
        If there is no resource of a passed name, or a variable makes no sense.
    """
    keep_compiled_code()
    resources = resources_of_the_environment()
    unknown = sorted(set(resource_overrides) - set(resources))
    if unknown:
        raise ValueError(
            f"no resource named {', '.join(unknown)}; there are {', '.join(resources)}"
        )
    with warnings.catch_warnings():
        # Dagster says at every use that backfill policies and checks of partitions
        # may change; its version is pinned.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        from astrid_assets import assets, checks, jobs

        return dg.Definitions(
            assets=dg.load_assets_from_package_module(assets),
            asset_checks=dg.load_asset_checks_from_package_module(checks),
            jobs=jobs.JOBS,
            schedules=jobs.SCHEDULES,
            sensors=_sensors(),
            resources={**resources, **resource_overrides},
            # One process per run: what is parallel is inside the assets, and each
            # step process would import everything again.
            executor=dg.in_process_executor,
        )


def resources_of_the_environment() -> dict[str, object]:
    """Return the resources that the environment describes, by key."""
    addresses, computing = Addresses(), Computing()
    named = addresses.variables_set

    def reference(variable: str) -> dg.EnvVar | None:
        """Return what Dagster resolves when a run needs it, and never shows."""
        return dg.EnvVar(variable) if variable in named else None

    access = {
        "endpoint": reference("ASTRID_S3_ENDPOINT"),
        "region": reference("ASTRID_S3_REGION"),
        "access_key": reference("AWS_ACCESS_KEY_ID"),
        "secret_key": reference("AWS_SECRET_ACCESS_KEY"),
    }
    database_url = addresses.database_url.get_secret_value()
    tracking_uri = addresses.tracking_uri.get_secret_value()
    store = ObjectStoreResource(url=reference("ASTRID_STORE_URL") or addresses.store_url, **access)
    return {
        "catalogue": CatalogueResource(
            url=reference("ASTRID_DATABASE_URL") or database_url, store=store
        ),
        "store": store,
        "sources": SurveyArchives(**access, internal_hosts=list(addresses.internal_hosts)),
        "compute": ComputeResource(backend=computing.compute, workers=computing.workers),
        "tracking": ExperimentTracking(
            tracking_uri=reference("MLFLOW_TRACKING_URI") or tracking_uri,
            artifact_location=addresses.artifacts_folder,
        ),
    }


def _sensors() -> list[dg.SensorDefinition]:
    from astrid_assets.sensors import (
        alerts,
        deployed_model_health,
        new_observations,
        retraining,
        run_failures,
    )

    return [
        new_observations.new_observations,
        retraining.retraining,
        deployed_model_health.deployed_model_health,
        run_failures.run_failures,
        alerts.alerts,
    ]


defs = build_definitions()
