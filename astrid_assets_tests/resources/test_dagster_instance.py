"""The instance: SQLite and files by default, Postgres and S3 where they are set."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster_aws.s3 import S3ComputeLogManager
from dagster_postgres import PostgresEventLogStorage

from astrid_assets.resources.home import project_root
from astrid_assets.resources.sqlite_history import KeptEventLogStorage
from astrid_assets.resources.variables import BadEnvironment
from astrid_assets_tests.resources.nights import run_nights

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets_tests.services import S3Server

FRAMES = dg.AssetKey("frames")


@pytest.mark.slow
def test_history_and_logs_are_files_below_the_home(
    instance: dg.DagsterInstance, own_home: Path
) -> None:
    root = project_root()
    before = set(root.iterdir())
    run_nights(instance, "2025-03-01", "2025-03-03")
    assert isinstance(instance.event_log_storage, KeptEventLogStorage)
    assert isinstance(instance.compute_log_manager, LocalComputeLogManager)
    assert (own_home / "dagster" / "history" / "runs.db").is_file()
    assert instance.root_directory == str(own_home / "dagster")
    assert set(root.iterdir()) == before, "nothing is written beside dagster.yaml"


@pytest.mark.slow
def test_another_process_finds_the_history_again(
    instance: dg.DagsterInstance,
) -> None:
    run_id = run_nights(instance, "2025-03-01", "2025-03-02")
    with dg.DagsterInstance.from_config(str(project_root())) as later:
        run = later.get_run_by_id(run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.SUCCESS
        assert later.get_materialized_partitions(FRAMES) == {
            "2025-03-01|wide",
            "2025-03-02|wide",
        }
        assert set(later.get_dynamic_partitions("survey")) == {"wide", "deep"}


def test_telemetry_and_the_newsletter_dialog_are_off(
    instance: dg.DagsterInstance,
) -> None:
    assert instance.telemetry_enabled is False
    assert instance.nux_enabled is False
    assert instance.run_monitoring_enabled is True
    assert instance.run_retries_enabled is True


@pytest.mark.slow
def test_an_instance_survives_a_trip_to_another_process(
    instance: dg.DagsterInstance,
) -> None:
    run_id = run_nights(instance, "2025-03-01", "2025-03-01")
    with dg.DagsterInstance.from_ref(instance.get_ref()) as copy:
        assert copy.get_run_by_id(run_id) is not None


@pytest.mark.postgres
def test_history_is_in_postgres_where_its_address_is_set(
    own_home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As people write it; the driver is ours to spell out.
    plain = postgres_url.replace("postgresql+psycopg2://", "postgresql://")
    monkeypatch.setenv("ASTRID_DAGSTER_DATABASE_URL", plain)
    with dg.DagsterInstance.from_config(str(project_root())) as instance:
        assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
        run_id = run_nights(instance, "2025-03-01", "2025-03-03")
    assert not (own_home / "dagster" / "history").exists()
    with dg.DagsterInstance.from_config(str(project_root())) as later:
        assert later.get_run_by_id(run_id) is not None
        assert len(later.get_materialized_partitions(FRAMES)) == 3


@pytest.mark.slow
def test_step_output_is_in_the_bucket_where_its_address_is_set(
    own_home: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRID_COMPUTE_LOGS_URL", f"s3://{s3_server.bucket}/logs/dagster/")
    monkeypatch.setenv("ASTRID_S3_ENDPOINT", s3_server.endpoint)
    monkeypatch.setenv("ASTRID_S3_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    for name in (
        "AWS_DEFAULT_REGION",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_RESPONSE_CHECKSUM_VALIDATION",
    ):
        # What is set on the way is taken back afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with dg.DagsterInstance.from_config(str(project_root())) as instance:
        manager = instance.compute_log_manager
        assert isinstance(manager, S3ComputeLogManager)
        with manager.capture_logs(["run", "compute_logs", "step"]):
            print("captured", flush=True)  # noqa: T201  what is tested
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not manager.cloud_storage_has_logs(
            ["run", "compute_logs", "step"], ComputeIOType.STDOUT
        ):
            time.sleep(0.05)
        path = manager.display_path_for_type(["run", "compute_logs", "step"], ComputeIOType.STDOUT)
        assert path is not None
        assert path.startswith(f"s3://{s3_server.bucket}/logs/dagster/storage/")
        data = manager.get_log_data(["run", "compute_logs", "step"])
        assert data.stdout == b"captured\n"


@pytest.mark.parametrize("url", ["bucket/prefix", "https://bucket/prefix", "s3://"])
def test_an_address_of_logs_that_is_no_bucket_is_refused(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ASTRID_COMPUTE_LOGS_URL", url)
    with pytest.raises(BadEnvironment, match=r"ASTRID_COMPUTE_LOGS_URL must be .*s3://"):
        dg.DagsterInstance.from_config(str(project_root()))
