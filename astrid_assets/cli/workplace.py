"""What commands work on: the home folder, the catalogue, the store, Dagster's history.

Addresses come from the environment through `resources.environment`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from typing import TYPE_CHECKING

import click

from astrid_assets.resources.environment import Addresses, DagsterHistory
from astrid_assets.resources.home import DEPLOYMENT, project_root
from astrid_assets.storage.private import make_private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dagster import DagsterInstance, Definitions

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.sources.base import SourceOptions
    from astrid_assets.tracking.client import Tracking

EVENTS_PER_WRITE = "50"


def prepare_home() -> Path:
    """Make the home folder, point DAGSTER_HOME at the project, and return the home.

    Raises
    ------
    click.ClickException
        If the folder cannot be made or written, or Dagster's settings are missing.
    """
    home = Addresses().home
    try:
        make_private_folder(home)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise click.ClickException(
            f"the home folder {home} cannot be written ({error.strerror}); let this "
            "user write there or set ASTRID_HOME to another folder"
        ) from error
    folder = dagster_home()
    os.environ["DAGSTER_HOME"] = str(folder)
    if not (folder / "dagster.yaml").is_file():
        raise click.ClickException(
            f"there is no dagster.yaml in {folder}, so Dagster would lose its "
            "history; set DAGSTER_HOME to the folder that holds AstrID's"
        )
    return home


def dagster_home() -> Path:
    """Return the folder with `dagster.yaml` that the environment names, or ours."""
    addresses = Addresses()
    return addresses.dagster_home or _deployment(addresses.home)


def _deployment(home: Path) -> Path:
    """Return the folder with `dagster.yaml`: the checkout's, or a copy in the home.

    The copy is brought up to date: a newer package may come with other settings.
    """
    root = project_root()
    if (root / "dagster.yaml").is_file():
        return root
    folder = home / "deployment"
    folder.mkdir(exist_ok=True)
    for packaged in DEPLOYMENT.glob("*.yaml"):
        content, copy = packaged.read_bytes(), folder / packaged.name
        if not copy.is_file() or copy.read_bytes() != content:
            copy.write_bytes(content)
    return folder


def open_catalogue() -> Catalogue:
    """Return the catalogue with its tables made or brought up to date."""
    from astrid_assets.storage.beginning import migrate
    from astrid_assets.storage.database.catalogue import Catalogue

    catalogue = Catalogue(Addresses().database_url.get_secret_value())
    migrate(catalogue, open_store())
    return catalogue


def open_store() -> ObjectStore:
    """Return the object store of the environment."""
    from astrid_assets.storage.objects.object_store import open_object_store

    addresses = Addresses()
    return open_object_store(addresses.store_url, **addresses.s3_access)


def source_options() -> SourceOptions:
    """Return what surveys in object stores and archives are read with."""
    from astrid_assets.surveys.sources.base import SourceOptions

    addresses = Addresses()
    return SourceOptions(**addresses.s3_access, internal_hosts=addresses.internal_hosts)


def open_tracking() -> Tracking:
    """Return MLflow: a server where its address is set, else a file below the home."""
    from astrid_assets.tracking.client import Tracking

    addresses = Addresses()
    return Tracking(addresses.tracking_uri.get_secret_value(), addresses.artifacts_folder)


@contextlib.contextmanager
def dagster_instance() -> Iterator[DagsterInstance]:
    """Open Dagster's history; `prepare_home` has been called.

    Raises
    ------
    click.ClickException
        If its database cannot be reached or its settings are wrong.
    """
    import dagster as dg
    from dagster_shared.error import DagsterError
    from sqlalchemy.exc import SQLAlchemyError

    from astrid_assets.resources.sqlite_history import HistoryUnavailable, history_errors

    if history_is_shared():
        # A round trip per event is what Postgres costs; SQLite gains nothing.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_PER_WRITE)
    try:
        with history_errors(str(Addresses().dagster_folder)):
            instance = dg.DagsterInstance.get()
    except HistoryUnavailable:
        raise
    except (DagsterError, SQLAlchemyError, ValueError, OSError) as error:
        raise click.ClickException(
            f"Dagster's history cannot be opened: {str(error).splitlines()[0]}; check "
            "DAGSTER_HOME and ASTRID_DAGSTER_DATABASE_URL"
        ) from error
    with instance:
        yield instance


def load_graph() -> Definitions:
    """Return the graph with the resources of the environment."""
    from astrid_assets.definitions import build_definitions

    # What libraries say about themselves belongs in no terminal.
    warnings.filterwarnings("ignore", module=r"dagster_mlflow\.")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    return build_definitions()


def history_is_shared() -> bool:
    """Return whether other machines may record their runs in the same history."""
    return DagsterHistory().dagster_database_url is not None


def fail_orphans(instance: DagsterInstance) -> int:
    """Record runs that a crash left behind as failed; returns how many there were."""
    from astrid_assets.cli.orphaned_runs import fail, orphaned_runs

    orphans = orphaned_runs(instance, shared=history_is_shared())
    for orphan in orphans:
        fail(instance, orphan)
        click.echo(
            f"run {orphan.run.run_id[:8]} was left behind by a crash "
            f"({orphan.reason}); it is recorded as failed now",
            err=True,
        )
    return len(orphans)
