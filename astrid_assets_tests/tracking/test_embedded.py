"""MLflow's SQLite file is whole or not there, whenever what makes it is killed."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from astrid_assets.tracking.client import Tracking
from astrid_assets.tracking.embedded import (
    make_whole,
    move_aside,
    runs_missing,
    was_never_finished,
)
from astrid_assets.tracking.server import TrackingUnavailable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

KILLS = """
import json, os, signal, sys, time
from pathlib import Path
import mlflow.store.db.utils, alembic.command  # here, so that children only make the file
from astrid_assets.tracking.embedded import make_whole, was_never_finished

folder = Path(sys.argv[1])

def child(file):
    process = os.fork()
    if process == 0:
        make_whole(file)
        os._exit(0)
    return process

started = time.monotonic()
os.waitpid(child(folder / "first.db"), 0)
whole_s = time.monotonic() - started
found = []
file = folder / "mlflow.db"
for share in (0.02, 0.2, 0.4, 0.6, 0.8, 0.95):
    process = child(file)
    time.sleep(share * whole_s)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    is_half = file.exists() and was_never_finished(file)
    found.append([share, file.exists(), is_half, len(list(folder.glob(".mlflow.db.part*")))])
    file.unlink(missing_ok=True)
make_whole(file)
print(json.dumps([found, was_never_finished(file), sorted(p.name for p in folder.iterdir())]))
"""


def half_made(file: Path, revision: str | None = None) -> None:
    """Leave what a process leaves that is killed while MLflow makes its tables."""
    from mlflow.store.db.utils import create_sqlalchemy_engine_with_retry
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = create_sqlalchemy_engine_with_retry(f"sqlite:///{file}")
    Base.metadata.create_all(engine)
    engine.dispose()
    if revision is not None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))


def test_a_kill_at_any_moment_leaves_no_file_or_a_whole_one(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    found, last_is_half, left = json.loads(done.stdout.splitlines()[-1])
    assert not [share for share, _, is_half, _ in found if is_half]
    # Most kills came while the file was being made.
    assert sum(n_parts > 0 for *_, n_parts in found) >= 3
    assert not last_is_half
    # Nothing of the killed ones is left.
    assert left == [".first.db.lock", ".mlflow.db.lock", "first.db", "mlflow.db"]


def test_a_file_that_was_never_finished_is_recognised_and_refused(tmp_path: Path):
    begun, file = tmp_path / "begun.db", tmp_path / "mlflow.db"
    half_made(begun)
    half_made(file, "90e64c465722")
    assert was_never_finished(begun)
    assert was_never_finished(file)
    with (
        pytest.raises(TrackingUnavailable, match=r"never finished.*astrid doctor --fix"),
        Tracking(f"sqlite:///{file}").start_run("x", "y"),
    ):
        pass


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database with a run in it."""
    file = tmp_path_factory.mktemp("used") / "mlflow.db"
    with Tracking(f"sqlite:///{file}").start_run("x", "y") as active:
        pass
    return file, active.run_id


def test_a_file_that_holds_runs_is_never_taken_for_unfinished(used, tmp_path: Path):
    file, _ = used
    assert not was_never_finished(file)
    older = tmp_path / "older.db"
    older.write_bytes(file.read_bytes())
    with closing(sqlite3.connect(older)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '90e64c465722'")
    # An older MLflow made it: its runs are there.
    assert not was_never_finished(older)


def test_a_whole_file_is_left_as_it_is_and_an_empty_one_is_made(used, tmp_path: Path):
    file, _ = used
    before = file.stat()
    make_whole(file)
    assert file.stat() == before
    empty = tmp_path / "empty.db"
    empty.touch()
    make_whole(empty)
    assert not was_never_finished(empty)


def test_runs_that_the_file_does_not_hold_are_named(used, tmp_path: Path):
    file, run_id = used
    assert runs_missing(file, [run_id, "other"]) == ["other"]
    assert runs_missing(tmp_path / "gone.db", [run_id]) == [run_id]
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is no database, whatever it is called")
    with pytest.raises(TrackingUnavailable, match="from a backup"):
        runs_missing(damaged, [run_id])


def test_a_database_is_moved_with_what_belongs_to_it(tmp_path: Path):
    file = tmp_path / "mlflow.db"
    for name in ("mlflow.db", "mlflow.db-journal"):
        (tmp_path / name).write_bytes(b"kept")
    aside = move_aside(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        aside.name,
        f"{aside.name}-journal",
    ]
    assert aside.name.startswith("mlflow.db.broken-")
