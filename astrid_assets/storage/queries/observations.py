"""Queries on observations and on the files they come from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, select

from astrid_assets.science.reasons import ReasonCode
from astrid_assets.storage.database.tables.frames import Observation, SourceFileRow
from astrid_assets.storage.database.tables.masters import CalibrationMaster, FrameMaster

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy.orm import Session

IN_LIST = 5000  # values in one IN (...): below SQLite's 32766 parameters
BY_INDEX = 200
"""Values for which PostgreSQL asks the index of a large table; for thousands it reads it whole."""
UNDATED = ""

IN_TIME = (
    Observation.observed_mjd.nulls_last(),
    Observation.source_path,
    Observation.id,
)
"""Order of a night's frames, the same on every database."""


def observations_of_night(
    session: Session,
    survey: str,
    night: str,
    *,
    status: str | None = None,
    kind: str | None = None,
) -> list[Observation]:
    """Return a night's observations in the order they were taken."""
    query = select(Observation).where(Observation.survey == survey, Observation.night == night)
    if status is not None:
        query = query.where(Observation.status == status)
    if kind is not None:
        query = query.where(Observation.kind == kind)
    return list(session.scalars(query.order_by(*IN_TIME)))


def nights(session: Session, survey: str) -> list[str]:
    """Return the nights a survey has observations of, in order."""
    query = (
        select(Observation.night)
        .where(Observation.survey == survey, Observation.night != UNDATED)
        .distinct()
        .order_by(Observation.night)
    )
    return list(session.scalars(query))


def calibration_frames(
    session: Session, survey: str, kinds: Collection[str] = ("bias", "dark", "flat")
) -> list[Observation]:
    """Return the ingested calibration frames of all nights, in order."""
    query = (
        select(Observation)
        .where(
            Observation.survey == survey,
            Observation.status == "registered",
            Observation.kind.in_(list(kinds)),
        )
        .order_by(Observation.night, *IN_TIME)
    )
    return list(session.scalars(query))


def chosen_masters(
    session: Session, ids: Collection[str]
) -> dict[str, dict[str, tuple[FrameMaster, CalibrationMaster]]]:
    """Return the masters chosen for frames, by observation and kind."""
    found: dict[str, dict[str, tuple[FrameMaster, CalibrationMaster]]] = {}
    for chunk in in_chunks(ids):
        query = (
            select(FrameMaster, CalibrationMaster)
            .join(CalibrationMaster, CalibrationMaster.id == FrameMaster.master_id)
            .where(FrameMaster.observation_id.in_(chunk))
        )
        for choice, master in session.execute(query):
            found.setdefault(choice.observation_id, {})[choice.kind] = (choice, master)
    return found


def masters_with_keys(
    session: Session, survey: str, keys: Collection[str]
) -> list[CalibrationMaster]:
    """Return a survey's masters that are kept under these object keys, by id."""
    found = [
        row
        for chunk in in_chunks(keys)
        for row in session.scalars(
            select(CalibrationMaster).where(
                CalibrationMaster.survey == survey,
                CalibrationMaster.frame_key.in_(chunk),
            )
        )
    ]
    return sorted(found, key=lambda row: row.id)


def undated(session: Session, survey: str) -> list[Observation]:
    """Return what was refused because its night cannot be determined."""
    return observations_of_night(session, survey, UNDATED)


def undated_reasons(session: Session, survey: str) -> Counter[str]:
    """Return how many files have no night, by the code of the reason.

    Files with the same content share the row of their observation, so a file without a
    row of its own counts by the row of another one of its size.
    """
    refused = undated(session, survey)
    if not refused:
        return Counter()
    files = session.execute(
        select(SourceFileRow.path, SourceFileRow.size_bytes)
        .where(SourceFileRow.survey == survey, cast(SourceFileRow.nights, Text) == "[]")
        .order_by(SourceFileRow.path)
    )
    refused.sort(key=lambda row: row.registered_at)  # of several the newest counts
    by_path = {row.source_path: row for row in refused}
    by_content = {(row.source_path, row.size_bytes): row for row in refused}
    # An unread file has the size 0, too; only an empty one has no content.
    read = [row for row in refused if row.size_bytes or _code(row) == ReasonCode.EMPTY_FILE]
    by_size = {row.size_bytes: row for row in read}
    ids = {row.id for row in read}
    unread = {row.source_path: row for row in refused if row.id not in ids}
    counts: Counter[str] = Counter()
    for path, size in files:
        row = (
            by_content.get((path, size))
            or unread.get(path)
            or by_size.get(size)
            or by_path.get(path)
        )
        counts[_code(row)] += 1
    return counts


def _code(row: Observation | None) -> str:
    return str((row.reason or {}).get("code", "")) if row is not None else ""


def forget_undated_files(session: Session, survey: str, paths: Collection[str]) -> None:
    """Forget files that had no night and that their source no longer has."""
    for chunk in in_chunks(paths):
        session.execute(
            delete(SourceFileRow).where(
                SourceFileRow.survey == survey,
                SourceFileRow.path.in_(chunk),
                cast(SourceFileRow.nights, Text) == "[]",
            )
        )


def known_files(session: Session, survey: str) -> dict[str, SourceFileRow]:
    """Return the files of a source as last seen, by path."""
    query = select(SourceFileRow).where(SourceFileRow.survey == survey)
    return {row.path: row for row in session.scalars(query)}


def in_chunks(values: Collection[str], longest: int = IN_LIST) -> Iterator[list[str]]:
    """Yield distinct values, sorted, in lists short enough for one query."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), longest):
        yield ordered[start : start + longest]
