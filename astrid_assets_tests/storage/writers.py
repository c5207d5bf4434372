"""What processes started by the tests do; imports little, so that they start fast."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.database.upsert import upsert

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue

WHEN = dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC)


def summary_row(**changes: object) -> dict[str, Any]:
    """Return a row of night_summaries; the class checks its columns when it is made."""
    row: dict[str, Any] = {"survey": "sim", "night": "n", "asset": "a", "summary": {"frames": 1}}
    return row | {"input_hash": "0", "finished_at": WHEN} | changes


def migrate_and_check(catalogue: Catalogue) -> None:
    """Bring the tables up to date."""
    catalogue.migrate()
    catalogue.check()


def write_often(catalogue: Catalogue, name: str) -> None:
    """Write rows that other processes write too, after reading them."""
    for number in range(20):
        with catalogue.begin() as session:
            session.scalars(select(NightSummary)).all()
            rows = [summary_row(night=f"{n}", input_hash=name) for n in range(50)]
            summaries = [NightSummary(**row) for row in rows]
            upsert(session, summaries if number % 2 else summaries[::-1])
