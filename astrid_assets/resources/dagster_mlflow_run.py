"""MLflow runs that belong to a Dagster run, by way of dagster-mlflow.

Its resource finds the MLflow run of the present Dagster run by a tag, or begins it:
a step that is retried, in whatever process, carries on in the same MLflow run; and it
ends the run as failed when the step raises. It has one MLflow run per experiment and
Dagster run, untyped configuration and a global active run, so it is opened around
one step and closed behind it. `tracking.Tracking` is what the assets see.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import dagster as dg

    from astrid_assets.tracking import RunOpener, Tracking


def dagster_mlflow_runs(context: dg.InitResourceContext) -> RunOpener:
    """Return an opener whose runs carry the id of the Dagster run in `context`."""

    @contextmanager
    def open_run(
        tracking: Tracking,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        run_id: str | None,
    ) -> Iterator[str]:
        config = {
            "experiment_name": experiment,
            "mlflow_tracking_uri": tracking.tracking_uri,
            "parent_run_id": None,
            "mlflow_run_id": run_id,
            "env": {},
            "env_to_tag": None,
            # dagster-mlflow names a run after the job, which is the same for all.
            "extra_tags": {**tags, "mlflow.runName": name},
        }
        with warnings.catch_warnings():
            # dagster-mlflow about being in beta, since 2021.
            warnings.simplefilter("ignore")
            import mlflow
            from dagster_mlflow.resources import MlFlow

            run = MlFlow(context.replace_config(config))
        opened = mlflow.active_run()
        if opened is None:
            raise RuntimeError("dagster-mlflow opened no run")
        try:
            yield str(opened.info.run_id)
        except BaseException:
            run.cleanup_on_error()
            raise
        mlflow.end_run()

    return open_run
