"""The catalogue: migrations, transactions, values, and many writers at once."""

from __future__ import annotations

import datetime as dt
import math
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import IntegrityError

from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.migrations import schema as migrations
from astrid_assets.storage.database.tables.base import Base
from astrid_assets.storage.database.tables.frames import Observation, SourceFileRow, Survey
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.database.upsert import upsert
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.storage.world import WHEN, World
from astrid_assets_tests.storage.writers import (
    migrate_and_check,
    summary_row,
    write_often,
)

if TYPE_CHECKING:
    from multiprocessing.context import SpawnContext
    from pathlib import Path


@pytest.mark.slow
def test_the_migrations_make_exactly_the_tables_of_the_program(catalogue: Catalogue):
    with catalogue.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
        found = inspect(connection).get_foreign_keys("models")
    assert [key["referred_table"] for key in found] == ["training_runs"]


@pytest.mark.slow
def test_the_migrations_can_be_taken_back(catalogue: Catalogue):
    from alembic import command

    with catalogue.engine.begin() as connection:
        settings = migrations.config()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "base")
    with catalogue.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]


def test_migrating_twice_changes_nothing(catalogue: Catalogue):
    catalogue.migrate()
    catalogue.check()


@pytest.mark.slow
def test_two_processes_may_migrate_at_once(empty_catalogue: Catalogue, spawned: SpawnContext):
    workers = [spawned.Process(target=migrate_and_check, args=(empty_catalogue,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    empty_catalogue.check()


@pytest.mark.slow
def test_sqlite_is_set_up_for_many_processes(tmp_path: Path):
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'deep' / 'folder' / 'c.db'}")
    catalogue.migrate()
    with catalogue.read() as session:
        values = {
            name: session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "busy_timeout", "synchronous", "foreign_keys")
        }
    assert values == {
        "journal_mode": "wal",
        "busy_timeout": 30_000,
        "synchronous": 1,
        "foreign_keys": 1,
    }


@pytest.mark.slow
def test_another_process_that_leaves_takes_no_row_of_ours_along(tmp_path: Path):
    """Two catalogues on one file, as each run has them, and a program that only looks."""
    file = tmp_path / "catalogue.db"
    ours = new_catalogue(tmp_path)
    with ours.read() as session:
        assert session.scalars(select(Survey)).all() == []
    with Catalogue(f"sqlite:///{file}").read() as session:
        assert session.scalars(select(Survey)).all() == []
    look = f"import sqlite3; sqlite3.connect({str(file)!r}).execute('PRAGMA schema_version')"
    subprocess.run([sys.executable, "-c", look], check=True)
    with ours.begin() as session:
        session.add(Survey(name="wide", profile_toml="", created_at=WHEN, updated_at=WHEN))
    with Catalogue(f"sqlite:///{file}").read() as session:
        assert session.scalars(select(Survey.name)).all() == ["wide"]


def test_a_transaction_that_fails_leaves_nothing(catalogue: Catalogue):
    def write_and_fail() -> None:
        with catalogue.begin() as session:
            World(session).observation("2025-03-01")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with catalogue.read() as session:
        assert session.scalars(select(Survey)).all() == []


def test_rows_may_be_used_after_their_session(catalogue: Catalogue):
    with catalogue.begin() as session:
        World(session)
        row = session.get_one(Survey, "sim")
    assert row.name == "sim"
    assert row.created_at == WHEN


def test_foreign_keys_are_enforced(catalogue: Catalogue):
    row = SourceFileRow(
        survey="nobody",
        path="a",
        size_bytes=1,
        mtime_ns=1,
        nights=[],
        profile_hash="",
        checked_at=WHEN,
    )
    with pytest.raises(IntegrityError), catalogue.begin() as session:
        upsert(session, [row])


def _everything(catalogue: Catalogue) -> list[tuple[object, ...]]:
    with catalogue.engine.connect() as connection:
        return [
            tuple(row)
            for table in Base.metadata.sorted_tables
            for row in connection.execute(select(table).order_by(*table.primary_key.columns))
        ]


@pytest.mark.slow
def test_writing_everything_again_leaves_rows_identical(catalogue: Catalogue):
    contents = []
    for _ in range(2):
        with catalogue.begin() as session:
            world = World(session)
            world.chain("2025-03-04")
            world.observation("2025-03-05", kind="bias")
        contents.append(_everything(catalogue))
    assert contents[0] == contents[1]
    assert len(contents[0]) > 6


def test_an_upsert_updates_all_but_the_times(catalogue: Catalogue):
    later = WHEN + dt.timedelta(days=1)
    with catalogue.begin() as session:
        upsert(session, [NightSummary(**summary_row())])
        shown = session.get_one(NightSummary, ("sim", "n", "a"))
        upsert(session, [NightSummary(**summary_row(input_hash="1", finished_at=later))])
        assert shown.input_hash == "1"
    with catalogue.read() as session:
        row = session.get_one(NightSummary, ("sim", "n", "a"))
    assert (row.input_hash, row.finished_at) == ("1", WHEN)


def test_of_two_rows_with_one_key_the_last_counts(catalogue: Catalogue):
    with catalogue.begin() as session:
        rows = [summary_row(input_hash=str(number)) for number in range(3)]
        upsert(session, [NightSummary(**row) for row in rows])
    with catalogue.read() as session:
        assert [row.input_hash for row in session.scalars(select(NightSummary))] == ["2"]


@pytest.mark.slow
def test_thousands_of_rows_go_in_at_once(catalogue: Catalogue):
    rows = [summary_row(night=f"{number}") for number in range(12_345)]
    with catalogue.begin() as session:
        upsert(session, [NightSummary(**row) for row in rows])
        upsert(session, [])
    with catalogue.read() as session:
        assert len(session.scalars(select(NightSummary.night)).all()) == 12_345


def test_a_row_that_leaves_out_what_must_be_known_is_refused():
    short = {name: value for name, value in summary_row().items() if name != "summary"}
    with pytest.raises(TypeError, match="summary"):
        NightSummary(**short)


def test_rows_of_two_tables_are_refused(catalogue: Catalogue):
    survey = Survey(name="sim", profile_toml="", created_at=WHEN, updated_at=WHEN)
    with pytest.raises(TypeError, match="night_summaries"), catalogue.begin() as session:
        upsert(session, [NightSummary(**summary_row()), survey])


def test_a_text_that_is_too_long_is_refused_on_every_database(catalogue: Catalogue):
    with (
        pytest.raises(ValueError, match=r"night_summaries\.night takes 10 characters"),
        catalogue.begin() as session,
    ):
        upsert(session, [NightSummary(**summary_row(night="2025-03-01T00:00"))])


def test_odd_values_are_stored_alike_on_every_database(catalogue: Catalogue):
    summary = {
        "z": np.float32(0.5),
        "not measured": float("nan"),
        "too much": np.float64("inf"),
        "count": np.int64(3),
        "flag": np.bool_(True),
        "list": (1, [np.float64(2.5)]),
        "name": "a\x00b\udcff ü",
    }
    with catalogue.begin() as session:
        upsert(session, [NightSummary(**summary_row(summary=summary))])
    with catalogue.read() as session:
        stored = session.scalars(select(NightSummary)).one().summary
    assert stored == {
        "z": 0.5,
        "not measured": None,
        "too much": None,
        "count": 3,
        "flag": True,
        "list": [1, [2.5]],
        "name": "a\\x00b\\udcff ü",
    }


def test_a_number_that_was_not_measured_is_null(catalogue: Catalogue):
    with catalogue.begin() as session:
        observation_id = World(session).observation("2025-03-01", mjd=math.nan)
    with catalogue.read() as session:
        assert session.get_one(Observation, observation_id).observed_mjd is None


def test_times_come_back_in_utc(catalogue: Catalogue):
    moscow = dt.timezone(dt.timedelta(hours=3))
    local = dt.datetime(2025, 3, 1, 1, 30, 0, 123456, tzinfo=moscow)
    with catalogue.begin() as session:
        upsert(session, [NightSummary(**summary_row(finished_at=local))])
    with catalogue.read() as session:
        finished = session.scalars(select(NightSummary)).one().finished_at
    assert finished == local
    assert finished.utcoffset() == dt.timedelta(0)
    assert now().utcoffset() == dt.timedelta(0)


def test_a_time_without_zone_is_refused(catalogue: Catalogue):
    naive = dt.datetime(2025, 3, 1)  # noqa: DTZ001  that is the point
    with pytest.raises(Exception, match="no time zone"), catalogue.begin() as session:
        upsert(session, [NightSummary(**summary_row(finished_at=naive))])


@pytest.mark.slow
def test_processes_that_write_the_same_rows_wait_for_each_other(
    catalogue: Catalogue, spawned: SpawnContext
):
    workers = [spawned.Process(target=write_often, args=(catalogue, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    with catalogue.read() as session:
        found = session.scalars(select(NightSummary.input_hash)).all()
    assert len(found) == 50
    assert len(set(found)) == 1


def test_a_reader_sees_one_state_while_others_write(catalogue: Catalogue):
    count = select(func.count()).select_from(NightSummary)
    with catalogue.read() as reader:
        assert reader.scalar(count) == 0
        with catalogue.begin() as session:
            upsert(session, [NightSummary(**summary_row())])
        assert reader.scalar(count) == 0
    with catalogue.read() as reader:
        assert reader.scalar(count) == 1


def test_a_catalogue_travels_to_another_process(catalogue: Catalogue):
    catalogue.check()
    copy = pickle.loads(pickle.dumps(catalogue))  # noqa: S301  made one line above
    copy.check()
    copy.close()
