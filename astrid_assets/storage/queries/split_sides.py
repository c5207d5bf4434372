"""Queries on the sides of the split that were given: what is remembered, and what changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy_healpix import HEALPix
from sqlalchemy import func, select, text, update

from astrid_assets.storage.database.tables.frames import FieldAnchor, Observation
from astrid_assets.storage.database.tables.learning import SplitRule, SplitSide
from astrid_assets.storage.database.upsert import insert_new
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    Floats = NDArray[np.float64]

SIDE_LOCK = 7262174304  # any number, the same in every AstrID
CELLS_AT_ONCE = 300
CELL_ORDER = 8  # pixels of 0.2 degrees: a field has few of them


@dataclass(frozen=True)
class KnownPosition:
    """A remembered position, and the group that it belongs to."""

    sky: str
    ra_deg: float
    dec_deg: float
    group: str


def lock_sides(session: Session) -> None:
    """Let one collection at a time give sides: the next one follows what it gave."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": SIDE_LOCK})


def fixed_rule(session: Session, offered: SplitRule) -> SplitRule:
    """Return the catalogue's rule for new groups; the first one offered becomes it."""
    insert_new(session, [offered], "id")
    return session.get_one(SplitRule, offered.id)


def cells_of(ra_deg: Floats, dec_deg: Floats) -> NDArray[np.int64]:
    """Return the cell of each position."""
    cells = _grid().lonlat_to_healpix(np.asarray(ra_deg) % 360 * u.deg, np.asarray(dec_deg) * u.deg)
    return np.asarray(cells, dtype=np.int64)


def known_positions(
    session: Session, skies: Collection[str], cells: Iterable[int]
) -> list[KnownPosition]:
    """Return what is remembered on these skies, in these cells and in those around them."""
    own = np.unique(np.fromiter(cells, dtype=np.int64))
    with np.errstate(invalid="ignore"):  # some pixels have seven neighbours, then -1
        around = np.unique(np.append(_grid().neighbours(own).ravel(), own))
    wanted = around[around >= 0].tolist()
    found: list[KnownPosition] = []
    for names in in_chunks(skies):
        for start in range(0, len(wanted), CELLS_AT_ONCE):
            query = select(
                SplitSide.sky, SplitSide.ra_deg, SplitSide.dec_deg, SplitSide.group_name
            ).where(
                SplitSide.kind == "position",
                SplitSide.sky.in_(names),
                SplitSide.cell.in_(wanted[start : start + CELLS_AT_ONCE]),
            )
            found += [KnownPosition(*row) for row in session.execute(query)]
    return found


def remembered_groups(session: Session, keys: Collection[str]) -> dict[str, str]:
    """Return the present group of each key that is remembered."""
    return {
        row[0]: row[1]
        for chunk in in_chunks(keys)
        for row in session.execute(
            select(SplitSide.key, SplitSide.group_name).where(SplitSide.key.in_(chunk))
        )
    }


def sides_of_groups(session: Session, groups: Collection[str]) -> list[tuple[str, str]]:
    """Return (group, side) of known groups, the oldest first."""
    found = [
        (row[0], row[1], row[2])
        for chunk in in_chunks(groups)
        for row in session.execute(
            select(func.min(SplitSide.given_at), SplitSide.group_name, SplitSide.side)
            .where(SplitSide.group_name.in_(chunk))
            .group_by(SplitSide.group_name, SplitSide.side)
        )
    ]
    return [(name, side) for _, name, side in sorted(found)]


def move_group(session: Session, group: str, into: str, side: str, cause: str) -> None:
    """Make a group part of another one, with the side that both now have."""
    session.execute(
        update(SplitSide)
        .where(SplitSide.group_name == group)
        .values(group_name=into, side=side, cause=cause)
    )


def remember(session: Session, rows: Sequence[SplitSide]) -> int:
    """Keep what got a side; what is remembered stays. Returns how many are new."""
    by_key = {row.key: row for row in rows}
    ordered = [by_key[key] for key in sorted(by_key)]
    return sum(
        len(insert_new(session, ordered[start : start + 1000], "key"))
        for start in range(0, len(ordered), 1000)
    )


def frame_contents(session: Session, observation_ids: Collection[str]) -> dict[str, str]:
    """Return the content of each frame: hash of its file and number of the HDU."""
    return {
        row[0]: f"{row[1]}#{row[2]}"
        for chunk in in_chunks(observation_ids)
        for row in session.execute(
            select(Observation.id, Observation.sha256, Observation.hdu).where(
                Observation.id.in_(chunk)
            )
        )
    }


def relative_fields(session: Session) -> set[tuple[str, str, str]]:
    """Return (survey, field, band) whose coordinates are only relative."""
    query = select(FieldAnchor.survey, FieldAnchor.field, FieldAnchor.band).where(
        FieldAnchor.is_local
    )
    return {(row[0], row[1], row[2]) for row in session.execute(query)}


def _grid() -> HEALPix:
    return HEALPix(2**CELL_ORDER, order="nested")
