"""Names of objects and detections: given once, in the order in which they are stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, text, update

from astrid_assets.storage.database.names import as_written, detection_name, object_name
from astrid_assets.storage.database.tables.detections import Detection, NameCounter, SkyObject
from astrid_assets.storage.database.upsert import insert_into, mapped_table
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

NAME_LOCK = 7262174304  # any number, the same in every AstrID


@dataclass(frozen=True)
class Named:
    """What a name stands for; `detection_id` is None for the name of an object."""

    object_id: str | None
    detection_id: str | None


def lock_names(session: Session) -> None:
    """Let one transaction at a time find objects and give names; SQLite has one writer."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": NAME_LOCK})


def new_object_names(session: Session, nights: Sequence[str]) -> list[str]:
    """Return a new name for each object, by the night of its first detection.

    Part of the transaction that stores them: what is rolled back was never given.
    """
    years = [int(night[:4]) for night in nights]
    table = mapped_table(NameCounter)
    following: dict[int, int] = {}
    for year, count in sorted(Counter(years).items()):
        insert = insert_into(session, table).values(year=year, given=count)
        statement = insert.on_conflict_do_update(
            index_elements=["year"], set_={"given": table.columns["given"] + count}
        ).returning(table.columns["given"])
        following[year] = session.connection().execute(statement).scalar_one() - count
    names = []
    for year in years:
        names.append(object_name(year, following[year]))
        following[year] += 1
    return names


def new_detection_names(session: Session, object_ids: Sequence[str | None]) -> list[str | None]:
    """Return a new name for a detection of each of these objects, which are stored already.

    None for a detection of no object, or of one without a name.
    """
    named: dict[str, tuple[str, int]] = {}
    for chunk in in_chunks([id_ for id_ in object_ids if id_ is not None]):
        query = select(SkyObject.id, SkyObject.name, SkyObject.n_named).where(
            SkyObject.id.in_(chunk), SkyObject.name.is_not(None)
        )
        named |= {row[0]: (str(row[1]), row[2]) for row in session.execute(query)}
    given: dict[str, int] = defaultdict(int)
    names: list[str | None] = []
    for id_ in object_ids:
        if id_ is None or id_ not in named:
            names.append(None)
            continue
        name, before = named[id_]
        given[id_] += 1
        names.append(detection_name(name, before + given[id_]))
    changed = [{"id": id_, "n_named": named[id_][1] + n} for id_, n in sorted(given.items())]
    if changed:
        session.execute(update(SkyObject), changed)
    return names


def detection_names(session: Session, detection_ids: Collection[str]) -> dict[str, str]:
    """Return the name of each detection that has one."""
    return {
        row[0]: str(row[1])
        for chunk in in_chunks(detection_ids)
        for row in session.execute(
            select(Detection.id, Detection.name).where(
                Detection.id.in_(chunk), Detection.name.is_not(None)
            )
        )
    }


def find_named(session: Session, name: str) -> Named | None:
    """Return the object or detection of a name, whatever its case; None if there is none."""
    written = as_written(name)
    object_id = session.scalar(select(SkyObject.id).where(SkyObject.name == written))
    if object_id is not None:
        return Named(object_id, None)
    found = session.execute(
        select(Detection.object_id, Detection.id).where(Detection.name == written)
    ).first()
    return None if found is None else Named(found[0], found[1])


def position_of(session: Session, name: str) -> tuple[float, float] | None:
    """Return RA and Dec, in degrees, of the object or detection of a name; None if unknown."""
    named = find_named(session, name)
    if named is None or named.object_id is None:
        return None
    found = session.get_one(SkyObject, named.object_id)
    return found.ra_deg, found.dec_deg
