"""A simulated survey small enough for tests, and what it leaves behind, as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.base import Base
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.surveys.profile import SurveyProfile

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore

NAME = "sim-small"
NIGHTS = [f"2025-03-0{day}" for day in range(1, 9)]


def profile_toml(nights: int, side: int, *, name: str = NAME, seed: int = 3) -> str:
    """Return the profile of a survey of so many nights, two square frames each."""
    return f"""
name = "{name}"

[source]
kind = "simulated"
scene = "wide"
seed = {seed}
nights = {nights}
frames_per_night = 2
shape = [{side}, {side}]

[keywords]
field = ["OBJECT"]

[calibration]
frames_are = "raw"

[reference]
before = "2025-03-04"
"""


TOML = profile_toml(nights=len(NIGHTS), side=384)


def add_survey(catalogue: Catalogue, toml: str = TOML) -> SurveyProfile:
    """Put the survey into the catalogue, as `astrid survey add` does."""
    profile = SurveyProfile.from_toml(toml)
    row = {
        "name": profile.name,
        "profile_toml": toml,
        "created_at": now(),
        "updated_at": now(),
    }
    with catalogue.begin() as session:
        upsert(session, [Survey(**row)])
    return profile


def rows_of(catalogue: Catalogue) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table, without the times at which it was written."""
    tables = Base.metadata.sorted_tables
    found: dict[str, list[tuple[object, ...]]] = {}
    with catalogue.read() as session:
        for table in tables:
            columns = [c for c in table.columns if not c.name.endswith("_at")]
            rows = session.execute(select(*columns)).all()
            found[table.name] = sorted(tuple(map(repr, row)) for row in rows)
    return found


def objects_of(store: ObjectStore) -> set[str]:
    """Return every key of the store; a key holds the hash of its object's bytes."""
    return set(store.list(""))
