"""MLflow as a Dagster resource; the client is in `astrid_assets.tracking`.

dagster-mlflow ties MLflow runs to Dagster runs: it finds the MLflow run that carries
this Dagster run's id, so that a step retried in another process carries on in it, or
begins one; it sets the tags; and it ends the run as failed when the step raises. Its
resource is a function of the old kind, configured by an untyped dictionary, which
imports MLflow (2 s) wherever a code location is loaded and opens a run for every step
that merely could use one. So here it is wrapped: typed configuration, imported when a
run is opened, and one MLflow run per `with tracking.start_run(…)`.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from astrid_assets.tracking.client import RunOpener, Tracking, plain_run
from astrid_assets.tracking.model import address_before

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUN_TAG = "dagster_run_id"
"""The tag by which dagster-mlflow finds the MLflow run of a Dagster run."""


class ExperimentTracking(dg.ConfigurableResource[Tracking]):
    """An MLflow server, or a SQLite file of this machine."""

    tracking_uri: str = Field(description="http(s)://server, or sqlite:///file")
    artifact_location: str | None = Field(
        default=None,
        description="folder of new experiments' files; the server's own if unset",
    )

    def create_resource(self, context: dg.InitResourceContext) -> Tracking:
        """Return the client; MLflow is imported and contacted with the first run."""
        opener = plain_run if context.run is None else _opener(context)
        return Tracking(self.tracking_uri, self.artifact_location, open_run=opener)


@dataclass(frozen=True)
class _NamedRun:
    """What dagster-mlflow reads of a Dagster run: the name its MLflow run gets."""

    job_name: str


@dataclass(frozen=True)
class _Session:
    """What dagster-mlflow reads of the context of a resource."""

    run_id: str
    dagster_run: _NamedRun
    log: dg.DagsterLogManager
    resource_config: dict[str, object] = field(default_factory=dict)


def _opener(context: dg.InitResourceContext) -> RunOpener:
    run, log = context.run, context.log
    if run is None or log is None:
        raise RuntimeError("a resource inside a Dagster run has a run and a log")

    @contextmanager
    def open_with_dagster(
        tracking: Tracking,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        run_id: str | None,
    ) -> Iterator[str]:
        import mlflow
        from dagster_mlflow.resources import MlFlow

        before = address_before()
        session = _Session(
            run.run_id,
            _NamedRun(name),
            log,
            {
                "experiment_name": experiment,
                "mlflow_tracking_uri": tracking.tracking_uri,
                "mlflow_run_id": run_id,
                "extra_tags": {k: v for k, v in tags.items() if k != RUN_TAG},
            },
        )
        with warnings.catch_warnings():
            # The class is marked as beta, which is said at every use.
            warnings.simplefilter("ignore", dg.BetaWarning)
            opened = MlFlow(session)
        try:
            yield _active_run_id()
        except BaseException:
            opened.cleanup_on_error()
            raise
        else:
            mlflow.end_run()
        finally:
            mlflow.set_tracking_uri(before)  # pyright: ignore[reportArgumentType]  None unsets it

    return open_with_dagster


def _active_run_id() -> str:
    import mlflow

    run = mlflow.active_run()
    if run is None:
        raise RuntimeError("dagster-mlflow has begun no MLflow run")
    return str(run.info.run_id)
