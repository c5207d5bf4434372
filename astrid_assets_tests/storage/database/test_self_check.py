"""What the database itself finds wrong; the SQLite file's damage is in `cli/test_verifying`."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from astrid_assets.storage.database.self_check import database_damage, missing_rows

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue


def test_a_new_catalogue_is_whole(catalogue: Catalogue) -> None:
    assert database_damage(catalogue) == []


def test_a_row_that_names_another_which_is_not_there_is_told(catalogue: Catalogue) -> None:
    if not catalogue.is_sqlite:
        pytest.skip("PostgreSQL keeps its foreign keys by itself")
    # A connection of another program does not keep foreign keys.
    with sqlite3.connect(str(catalogue.engine.url.database)) as connection:
        connection.execute(
            "INSERT INTO night_references VALUES ('none', 'night', 'f', 'r', NULL, NULL)"
        )
    assert ["names a row of surveys" in line for line in missing_rows(catalogue)] == [True]
    assert database_damage(catalogue) == []


def test_an_index_that_is_not_valid_is_named(catalogue: Catalogue) -> None:
    if catalogue.is_sqlite:
        pytest.skip("SQLite has no such state")
    with catalogue.engine.connect() as connection:
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pk_surveys'::regclass")
        )
        connection.commit()
    assert database_damage(catalogue) == ["index pk_surveys is not valid: REINDEX INDEX pk_surveys"]
