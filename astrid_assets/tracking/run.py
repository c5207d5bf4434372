"""One open MLflow run: what can be written into it.

Opening, ending and the registry are in `tracking`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow import MlflowClient

T = TypeVar("T")

MAX_PARAMS, MAX_METRICS = 100, 1000
"""Entries of one batch that every MLflow server takes."""

MAX_PARAM_LENGTH = 6000
MAX_DIGEST_LENGTH = 36


@dataclass(frozen=True)
class ActiveRun:
    """A run that is open.

    Attributes
    ----------
    run_id
        MLflow's identity of the run.
    url
        Address of its page; empty without a server.
    """

    run_id: str
    url: str
    client: MlflowClient

    def begin_child(self, name: str, tags: Mapping[str, str]) -> ActiveRun:
        """Begin a run that MLflow shows below this one; `end` ends it."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        parent = self.client.get_run(self.run_id).info
        run = self.client.create_run(
            parent.experiment_id, tags={**tags, MLFLOW_PARENT_RUN_ID: self.run_id}, run_name=name
        )
        return ActiveRun(str(run.info.run_id), "", self.client)

    def end(self, *, has_failed: bool = False) -> None:
        """End a run that `begin_child` began."""
        self.client.set_terminated(self.run_id, "FAILED" if has_failed else "FINISHED")

    def log_params(self, params: Mapping[str, object]) -> None:
        """Record settings; once written, a value cannot be another one later."""
        from mlflow.entities import Param

        entries = [
            Param(name, _as_text(value)[:MAX_PARAM_LENGTH]) for name, value in params.items()
        ]
        for some in _chunks(entries, MAX_PARAMS):
            self.client.log_batch(self.run_id, params=some)

    def log_metrics(
        self,
        metrics: Mapping[str, float] | Sequence[Mapping[str, float]],
        *,
        step: int = 0,
    ) -> None:
        """Record numbers in as few requests as possible.

        Parameters
        ----------
        metrics
            Name → value; or a list of such, one per step, counted from `step`.
        """
        from mlflow.entities import Metric

        rows = [metrics] if isinstance(metrics, Mapping) else metrics
        now_ms = int(time.time() * 1000)
        entries = [
            Metric(name, float(value), now_ms, step + number)
            for number, row in enumerate(rows)
            for name, value in row.items()
        ]
        for some in _chunks(entries, MAX_METRICS):
            self.client.log_batch(self.run_id, metrics=some)

    def steps(self, name: str) -> set[int]:
        """Return the steps for which a number was recorded."""
        return {int(point.step) for point in self.client.get_metric_history(self.run_id, name)}

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; a tag that exists gets the new value."""
        from mlflow.entities import RunTag

        entries = [RunTag(name, str(value)) for name, value in tags.items()]
        for some in _chunks(entries, MAX_PARAMS):
            self.client.log_batch(self.run_id, tags=some)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a file with the run."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def log_bytes(self, content: bytes, name: str) -> None:
        """Keep bytes with the run as a file of that name."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(content)
            parent = Path(name).parent.as_posix()
            self.log_artifact(path, None if parent == "." else parent)

    def log_dataset(
        self,
        shape: tuple[int, ...],
        *,
        name: str,
        digest: str,
        source: str,
        context: str = "training",
    ) -> None:
        """Record which dataset version the run used.

        MLflow keeps 36 characters of a digest; the whole one is the tag
        ``dataset_sha256``.

        Parameters
        ----------
        shape
            Shape of all its cutouts: (n, channels, size, size).
        digest
            SHA-256 of the version.
        source
            Key of its table of samples in the object store.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=name,
            digest=digest[:MAX_DIGEST_LENGTH],
            source_type="object_store",
            source=json.dumps({"key": source}),
            profile=json.dumps({"features_shape": list(shape)}),
            schema=json.dumps({"images": {"shape": list(shape), "dtype": "float32"}}),
        )
        tags = [InputTag("mlflow.data.context", context)]
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, tags)])
        self.set_tags({"dataset_sha256": digest})


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _chunks(entries: Sequence[T], size: int) -> list[list[T]]:
    return [list(entries[start : start + size]) for start in range(0, len(entries), size)]
