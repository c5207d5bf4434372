"""Experiment tracking and the model registry: MLflow behind a few plain calls.

Works on an MLflow server (``http://…``) and without one, on a SQLite file. Runs are
addressed by id through MLflow's client, never through its global "active run".

How a run is opened and closed is handed in (`RunOpener`). Inside a Dagster run the
opener of `resources.experiment_tracking` is used: it lets dagster-mlflow find or
begin the MLflow run of this Dagster run (so that a step that is retried in another
process carries on in the same run) and end it as failed when the step raises. What
dagster-mlflow does not do is done here: experiments with an artifact location, typed
configuration, metrics in batches, the registry, and errors that say what to do.
Outside Dagster `plain_run` does the same with MLflow alone.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from astrid_assets.tracking.embedded import (
    check_writable,
    make_whole,
    sqlite_file,
)
from astrid_assets.tracking.model import global_address, log_onnx
from astrid_assets.tracking.reached import reached
from astrid_assets.tracking.run import ActiveRun
from astrid_assets.tracking.server import (
    TrackingUnavailable,
    as_location,
    check_server,
    without_password,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from mlflow import MlflowClient


log = logging.getLogger(__name__)

ALIASES = frozenset({"champion", "challenger", "previous"})
"""For the model that scores every survey; one with its own champion has ``champion-NAME``,
and so on."""
SHA256_TAG = "onnx_sha256"
REQUEST_RETRIES = "3"  # 14 s of a server that stumbles; MLflow's own 7 take four minutes


class RunOpener(Protocol):
    """Begins an MLflow run, or carries on with one, and ends it."""

    def __call__(
        self,
        tracking: Tracking,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        run_id: str | None,
    ) -> AbstractContextManager[str]:
        """Yield the run's id; on leaving, end it as finished or failed.

        `experiment` exists when this is called; `run_id`, when given, is a run the
        server knows.
        """
        ...


@contextmanager
def plain_run(
    tracking: Tracking,
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    run_id: str | None,
) -> Iterator[str]:
    """Open a run with MLflow alone, see `RunOpener`."""
    client = tracking.client()
    if run_id is None:
        run = client.create_run(tracking.experiment_id(experiment), tags=dict(tags), run_name=name)
        run_id = str(run.info.run_id)
    else:
        client.update_run(run_id, status="RUNNING")
        for key, value in tags.items():
            client.set_tag(run_id, key, value)
    try:
        yield run_id
    except KeyboardInterrupt:
        client.set_terminated(run_id, "KILLED")
        raise
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


@dataclass(frozen=True)
class Tracking:
    """Where experiments and models are recorded.

    Attributes
    ----------
    tracking_uri
        ``http(s)://server``, or ``sqlite:///file``.
    artifact_location
        Folder or URI under which each new experiment keeps its files. None: the
        server's own, or ``artifacts`` beside the SQLite file.
    open_run
        How runs are opened, see the module.
    """

    tracking_uri: str
    artifact_location: str | None = None
    open_run: RunOpener = plain_run

    def check(self) -> None:
        """Make sure that something answers, before MLflow retries for minutes.

        Raises
        ------
        TrackingUnavailable
            With what to do about it.
        """
        if self.tracking_uri.startswith(("http://", "https://")):
            check_server(self.tracking_uri)
        elif self.file is not None:
            check_writable(self.file)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a server."""
        return sqlite_file(self.tracking_uri)

    def make_file(self) -> None:
        """Make the SQLite file unless it is there; nothing to do for a server.

        Raises
        ------
        TrackingUnavailable
            If it cannot be written.
        """
        _set_up_mlflow()
        if self.file is not None:
            make_whole(self.file)

    def client(self) -> MlflowClient:
        """Return MLflow's own client for this address; makes the file if it is missing."""
        self.make_file()
        from mlflow import MlflowClient

        return MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)

    def experiment_id(self, name: str) -> str:
        """Return the experiment of a name; make it where it is missing."""
        from mlflow.exceptions import MlflowException

        client = self.client()
        try:
            found = client.get_experiment_by_name(name)
            if found is None:
                return client.create_experiment(name, self._experiment_files(name))
            if found.lifecycle_stage == "deleted":
                log.info("restoring the deleted MLflow experiment %s", name)
                client.restore_experiment(found.experiment_id)
        except MlflowException as error:
            # Two processes may begin the same experiment at once.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise TrackingUnavailable(
                    f"MLflow at {without_password(self.tracking_uri)} refuses the "
                    f"experiment {name!r}: {error.message}"
                ) from error
        return str(found.experiment_id)

    @contextmanager
    def start_run(
        self,
        name: str,
        experiment: str,
        tags: Mapping[str, str] | None = None,
        run_id: str | None = None,
    ) -> Iterator[ActiveRun]:
        """Record what happens inside the ``with`` block as one run.

        Parameters
        ----------
        run_id
            An earlier run to carry on with. Where MLflow no longer knows it, because
            its database is another one now, a new run is begun and the log says so.

        Raises
        ------
        TrackingUnavailable
            If nothing answers at `tracking_uri`.
        """
        with reached(self.check, self.file):
            experiment_id = self.experiment_id(experiment)
            if run_id is not None and not self.knows(run_id):
                log.warning(
                    "MLflow run %s is not known at %s, a new one is begun",
                    run_id,
                    without_password(self.tracking_uri),
                )
                run_id = None
            with self.open_run(self, experiment, name, tags or {}, run_id) as opened:
                yield ActiveRun(opened, self._run_url(experiment_id, opened), self.client())

    def register_model(self, name: str, content: bytes, run_id: str) -> str:
        """Put an ONNX file into the registry; returns its version.

        The file is kept byte for byte. A file that is a version already is not
        registered again.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        client = self.client()
        for known in client.search_model_versions(f"name = '{name}'"):
            if known.tags.get(SHA256_TAG) == sha256:
                return str(known.version)
        version = log_onnx(self.client(), self.tracking_uri, name, content, run_id)
        client.set_model_version_tag(name, version, SHA256_TAG, sha256)
        return version

    def model_bytes(self, name: str, version: str) -> bytes:
        """Return the ONNX file of a registered version."""
        from mlflow.artifacts import download_artifacts

        with tempfile.TemporaryDirectory() as folder, global_address(self.tracking_uri):
            path = download_artifacts(f"models:/{name}/{version}", dst_path=folder)
            return (Path(path) / "model.onnx").read_bytes()

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let ``champion``, ``challenger`` or ``previous`` name a version."""
        if alias.partition("-")[0] not in ALIASES:
            raise ValueError(f"{alias!r} is none of {', '.join(sorted(ALIASES))}")
        with reached(self.check, self.file):
            self.client().set_registered_model_alias(name, alias, version)

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing; no error where it does so already."""
        with reached(self.check, self.file):
            if self.alias_version(name, alias) is not None:
                self.client().delete_registered_model_alias(name, alias)

    def keep_file(self, run_id: str, name: str, content: bytes) -> None:
        """Keep a file with a run that has ended; a run of another database is passed over."""
        with reached(self.check, self.file):
            if not self.knows(run_id):
                log.warning("MLflow run %s is not known, %s is not kept there", run_id, name)
                return
            ActiveRun(run_id, "", self.client()).log_bytes(content, name)

    def alias_version(self, name: str, alias: str) -> str | None:
        """Return the version an alias names, None where it names none."""
        return self.aliases(name).get(alias)

    def aliases(self, name: str) -> dict[str, str]:
        """Return the version that each alias of a model names."""
        with reached(self.check, self.file):
            for model in self.client().search_registered_models(f"name = '{name}'"):
                # An int on SQLite, a string over HTTP.
                return {alias: str(version) for alias, version in dict(model.aliases).items()}
        return {}

    def _experiment_files(self, name: str) -> str | None:
        location = self.artifact_location
        if location is None:
            if self.file is None:
                return None
            # MLflow would put them into the working folder.
            location = str(self.file.parent / "artifacts")
        return f"{as_location(location)}/{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}"

    def knows(self, run_id: str) -> bool:
        """Return whether a run is there and not deleted."""
        from mlflow.exceptions import MlflowException

        try:
            run = self.client().get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return run.info.lifecycle_stage == "active"

    def _run_url(self, experiment_id: str, run_id: str) -> str:
        if not self.tracking_uri.startswith(("http://", "https://")):
            return ""
        server = without_password(self.tracking_uri).rstrip("/")
        return f"{server}/#/experiments/{experiment_id}/runs/{run_id}"


def _set_up_mlflow() -> None:
    """Set what MLflow reads from the environment when it is imported."""
    # Nothing is reported to its makers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", REQUEST_RETRIES)
