"""Where Dagster keeps its history and logs: files of ours, or Postgres and S3.

`dagster.yaml` names these three classes. Each looks at the environment once, when
the instance starts, and returns Dagster's own implementation: SQLite and local files
below ASTRID_HOME, or `dagster_postgres` and `dagster_aws` where their addresses are
set. The same `dagster.yaml` so serves a laptop and a cluster.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.compute_log_manager import ComputeLogManager
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from astrid_assets.resources.environment import Addresses, DagsterHistory
from astrid_assets.resources.sqlite_history import SqliteHistory
from astrid_assets.storage.private import make_private_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster._config.config_schema import UserConfigSchema

UPLOAD_INTERVAL_S = 60  # a running step's output shows in the UI with this delay


class History(DagsterStorage, ConfigurableClass):
    """Runs, events and schedules: Postgres where its address is set, else SQLite."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Everything comes from the environment."""
        return {}

    @classmethod
    def from_config_value(  # pyright: ignore[reportIncompatibleMethodOverride]
        # Dagster's own storages are no ConfigurableClass for the type checker either.
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, object],
    ) -> DagsterStorage:
        """Return the storage that the environment asks for."""
        del config_value
        history = DagsterHistory()
        url = history.dagster_database_url
        if url is None:
            make_private_folder(history.dagster_folder)
            return SqliteHistory.from_local(str(history.dagster_folder), inst_data)
        from dagster_postgres import DagsterPostgresStorage

        return DagsterPostgresStorage(postgres_url=url.get_secret_value(), inst_data=inst_data)


class StepLogs(ComputeLogManager, ConfigurableClass):
    """Captured output of steps: S3 where its address is set, else local files."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Everything comes from the environment."""
        return {}

    @classmethod
    def from_config_value(  # pyright: ignore[reportIncompatibleMethodOverride]
        # See `History`.
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, object],
    ) -> ComputeLogManager:
        """Return the log manager that the environment asks for."""
        del config_value
        history = DagsterHistory()
        local = history.dagster_folder / "logs"
        if history.compute_logs_url is None:
            return LocalComputeLogManager(str(local), inst_data=inst_data)
        bucket, _, prefix = history.compute_logs_url.removeprefix("s3://").partition("/")
        for name, value in _boto_settings(history).items():
            os.environ.setdefault(name, value)
        from dagster_aws.s3 import S3ComputeLogManager

        return S3ComputeLogManager(
            bucket=bucket,
            prefix=prefix.strip("/") or "dagster",
            local_dir=str(local),
            endpoint_url=history.s3_endpoint,
            region=history.s3_region,
            # An output counts as complete when both of its files are there.
            skip_empty_files=False,
            upload_interval=UPLOAD_INTERVAL_S,
            inst_data=inst_data,
        )


class Artifacts(LocalArtifactStorage):
    """The folder that Dagster takes for everything else it writes."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Everything comes from the environment."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, object]
    ) -> LocalArtifactStorage:
        """Return the storage below ASTRID_HOME."""
        del config_value
        return cls(str(Addresses().dagster_folder), inst_data)


def _boto_settings(addresses: Addresses) -> dict[str, str]:
    """Return what boto3 only reads from the environment."""
    region = addresses.s3_region
    settings = {} if region is None else {"AWS_DEFAULT_REGION": region}
    if addresses.s3_endpoint is not None:
        # Services other than Amazon's refuse the checksums boto3 adds by default.
        settings["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
        settings["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_required"
    return settings
