"""Queries on candidates, detections and objects, by night and by position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select, update

from astrid_assets.storage.database.sky_index import cone_ranges, merged
from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DetectionScore,
    DifferenceRun,
    SkyObject,
)
from astrid_assets.storage.queries.detection_rows import BY_TIME, DetectionRow, select_detections
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from astrid_assets.storage.database.sky_index import Floats


RANGES_PER_QUERY = 200  # SQLite nests an OR of at most 1000 terms


def detections_of_night(session: Session, survey: str, night: str) -> list[DetectionRow]:
    """Return current detections of a night, in the order the frames were taken."""
    query = select_detections().where(Detection.survey == survey, Detection.night == night)
    return _rows(session, query.order_by(*BY_TIME))


def detections_by_ids(session: Session, detection_ids: Collection[str]) -> dict[str, DetectionRow]:
    """Return current detections by id; unknown and outdated ids are absent."""
    return {
        row.detection_id: row
        for chunk in in_chunks(detection_ids)
        for row in _rows(session, select_detections().where(Detection.id.in_(chunk)))
    }


def detections_of_object(session: Session, object_id: str) -> list[DetectionRow]:
    """Return the current detections of an object, in order of time."""
    query = select_detections().where(Detection.object_id == object_id)
    return _rows(session, query.order_by(*BY_TIME))


def often_seen(session: Session, survey: str, *, limit: int, night: str | None = None) -> list[str]:
    """Return the objects with detections on most nights, the most significant first.

    Parameters
    ----------
    night
        Only objects that were seen on this night, counting nights up to it.
    """
    nights = func.count(func.distinct(Detection.night))
    peak = func.max(func.abs(CandidateRow.score_sigma))
    query = (
        select(Detection.object_id)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, CandidateRow.difference_id == DifferenceRun.id)
        .where(Detection.survey == survey, Detection.object_id.is_not(None))
        .where(CandidateRow.is_current, DifferenceRun.is_current)
    )
    if night is not None:
        tonight = query.where(Detection.night == night)
        query = query.where(Detection.night <= night, Detection.object_id.in_(tonight))
    query = (
        query.group_by(Detection.object_id)
        .having(nights > 1)
        .order_by(nights.desc(), peak.desc(), Detection.object_id)
        .limit(limit)
    )
    return [str(found) for found in session.scalars(query)]


def objects_near(
    session: Session, survey: str, healpix_ranges: Sequence[tuple[int, int]]
) -> list[SkyObject]:
    """Return the objects of a survey inside ranges of pixels, oldest first."""
    found: list[SkyObject] = []
    for inside in _inside(SkyObject.healpix, merged(healpix_ranges)):
        query = select(SkyObject).where(SkyObject.survey == survey, inside)
        found.extend(session.scalars(query))
    return sorted(found, key=lambda item: (item.created_at, item.id))


def objects_around(
    session: Session,
    survey: str,
    ra_deg: Floats,
    dec_deg: Floats,
    radius_arcsec: float,
) -> list[SkyObject]:
    """Return the objects of a survey that lie near any of the positions."""
    ranges = [
        pixels
        for ra, dec in zip(ra_deg, dec_deg, strict=True)
        for pixels in cone_ranges(float(ra), float(dec), radius_arcsec)
    ]
    return objects_near(session, survey, ranges)


def object_ids(session: Session, detection_ids: Collection[str]) -> dict[str, str]:
    """Return the object of each detection that has one."""
    return {
        row[0]: str(row[1])
        for chunk in in_chunks(detection_ids)
        for row in session.execute(
            select(Detection.id, Detection.object_id).where(
                Detection.id.in_(chunk), Detection.object_id.is_not(None)
            )
        )
    }


def stored_cutouts(session: Session, survey: str, night: str) -> list[Detection]:
    """Return the current detections of a night by frame, in the order of their cutouts."""
    query = (
        select(Detection)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, CandidateRow.difference_id == DifferenceRun.id)
        .where(Detection.survey == survey, Detection.night == night)
        .where(CandidateRow.is_current, DifferenceRun.is_current)
        .order_by(Detection.observation_id, Detection.cutout_index)
    )
    return list(session.scalars(query))


def retire(session: Session, difference_ids: Collection[str]) -> None:
    """Mark all candidates of these differences as found by an earlier run."""
    for chunk in in_chunks(difference_ids):
        session.execute(
            update(CandidateRow)
            .where(CandidateRow.difference_id.in_(chunk), CandidateRow.is_current)
            .values(is_current=False)
        )


def scores(session: Session, detection_id: str) -> list[DetectionScore]:
    """Return every score a detection got from a model, oldest first."""
    query = (
        select(DetectionScore)
        .where(DetectionScore.detection_id == detection_id)
        .order_by(DetectionScore.scored_at, DetectionScore.model_id)
    )
    return list(session.scalars(query))


def _rows(session: Session, query: object) -> list[DetectionRow]:
    return [DetectionRow(*row) for row in session.execute(query)]  # type: ignore[call-overload]  # built by select_detections


def _inside(
    column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None],
    ranges: Sequence[tuple[int, int]],
) -> Iterator[ColumnElement[bool]]:
    for start in range(0, len(ranges), RANGES_PER_QUERY):
        yield or_(
            *(
                and_(column >= low, column < high)
                for low, high in ranges[start : start + RANGES_PER_QUERY]
            )
        )
