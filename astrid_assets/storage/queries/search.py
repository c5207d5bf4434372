"""Searches over detections, page by page; no table is read whole.

A page ends with a cursor: the sort key of its last row, from which the next page goes
on. Rows that come or go between two pages shift nothing and repeat nothing, and the
hundredth page costs what the first does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from sqlalchemy import and_, or_, select, tuple_

from astrid_assets.storage.database.names import as_written
from astrid_assets.storage.database.paging import MAX_PAGE, Page, cursor_of, key_in_cursor
from astrid_assets.storage.database.sky_index import cone_ranges, distance_arcsec
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, SkyObject
from astrid_assets.storage.database.tables.frames import Observation
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.queries.detection_rows import DetectionRow, select_detections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from astrid_assets.storage.database.paging import Key

Sort = Literal["newest", "oldest", "score"]
UNLABELLED = "none"
MAX_ROUNDS = 50  # pages read to fill one from a cone whose pixels hold mostly others


@dataclass(frozen=True)
class Cone:
    """Within `radius_arcsec` of a position."""

    ra_deg: float
    dec_deg: float
    radius_arcsec: float


@dataclass(frozen=True)
class DetectionFilter:
    """What to search for; None asks nothing.

    Attributes
    ----------
    start_mjd, end_mjd
        Mid-exposure, both included.
    min_score, max_score
        Score by the model (or by the S/N ranking: `score_kind`).
    min_sigma
        Least absolute S_corr.
    with_mask, without_mask
        Mask bits of which one is set, or none.
    label
        ``real``, ``bogus``, ``disputed``, ``unsure``, or ``none``: not labelled yet.
    name
        Name of an object, for all its detections, or of one detection.
    """

    survey: str | None = None
    night: str | None = None
    field: str | None = None
    band: str | None = None
    cone: Cone | None = None
    start_mjd: float | None = None
    end_mjd: float | None = None
    min_score: float | None = None
    max_score: float | None = None
    score_kind: str | None = None
    min_sigma: float | None = None
    sign: int | None = None
    with_mask: int = 0
    without_mask: int = 0
    label: str | None = None
    label_source: str | None = None
    object_id: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class FoundDetection(DetectionRow):
    """A detection with its label, where it has one."""

    label: str | None
    classification: str | None
    label_source: str | None
    n_votes: int | None
    agreement: float | None
    carried_from: str | None


SORT_KEYS: dict[str, tuple[InstrumentedAttribute[float], ...]] = {
    "newest": (Observation.observed_mjd, Observation.id, Detection.id),  # type: ignore[dict-item]  # ids are text
    "oldest": (Observation.observed_mjd, Observation.id, Detection.id),  # type: ignore[dict-item]  # ids are text
    "score": (Detection.score, Detection.id),  # type: ignore[dict-item]  # ids are text
}
"""Sort keys stand in one index, so that a page is read from where it begins."""


KEY_TYPES: dict[str, tuple[type, ...]] = {
    "newest": (float, str, str),
    "oldest": (float, str, str),
    "score": (float, str),
}
"""Types of the parts of a cursor."""


def search_detections(
    session: Session,
    wanted: DetectionFilter,
    *,
    sort: Sort = "newest",
    limit: int = 50,
    cursor: str | None = None,
) -> Page[FoundDetection]:
    """Return one page of current detections.

    Parameters
    ----------
    sort
        By time, or by score from the highest.
    limit
        Rows of a page, at most `MAX_PAGE`.
    cursor
        Cursor of the page before.

    Raises
    ------
    BadCursor
        If the cursor belongs to no search sorted so.
    ValueError
        If the cone is not on the sky.
    """
    after = None if cursor is None else key_in_cursor(cursor, sort, KEY_TYPES[sort])
    query = _filtered(wanted)
    columns = SORT_KEYS[sort]
    descending = sort != "oldest"
    query = query.order_by(*(c.desc() if descending else c.asc() for c in columns))
    limit = min(limit, MAX_PAGE)
    found: list[FoundDetection] = []
    for _ in range(MAX_ROUNDS):
        page = query if after is None else query.where(*_beyond(columns, after, sort))
        rows = [FoundDetection(*row) for row in session.execute(page.limit(limit + 1))]
        is_last = len(rows) <= limit
        rows = rows[:limit]
        near = rows if wanted.cone is None else _inside(rows, wanted.cone)
        room = limit - len(found)
        found += near[:room]
        if len(near) > room:
            return Page(found, cursor_of(sort, _sort_key(found[-1], sort)))
        if is_last:
            return Page(found, None)
        after = _sort_key(rows[-1], sort)
        if len(found) == limit:
            break
    return Page(found, None if after is None else cursor_of(sort, after))


def find_detection(session: Session, detection_id: str) -> FoundDetection | None:
    """Return one current detection with its label."""
    row = session.execute(_selected().where(Detection.id == detection_id)).first()
    return None if row is None else FoundDetection(*row)


def _selected() -> Select[tuple[object, ...]]:
    return select_detections(
        Label.label,
        Label.classification,
        Label.source,
        Label.n_votes,
        Label.agreement,
        Label.carried_from,
    ).outerjoin(Label, Label.detection_id == Detection.id)


def _filtered(wanted: DetectionFilter) -> Select[tuple[object, ...]]:
    equal = {
        Detection.survey: wanted.survey,
        Detection.night: wanted.night,
        Observation.field: wanted.field,
        Observation.band: wanted.band,
        Detection.score_kind: wanted.score_kind,
        Detection.object_id: wanted.object_id,
        CandidateRow.sign: wanted.sign,
        Label.source: wanted.label_source,
    }
    least = {
        Observation.observed_mjd: wanted.start_mjd,
        Detection.score: wanted.min_score,
    }
    most = {
        Observation.observed_mjd: wanted.end_mjd,
        Detection.score: wanted.max_score,
    }
    tests: list[ColumnElement[bool]] = [
        *(column == value for column, value in equal.items() if value is not None),
        *(column >= value for column, value in least.items() if value is not None),
        *(column <= value for column, value in most.items() if value is not None),
    ]
    if wanted.min_sigma is not None:
        # Both ends of the index, where the size alone has none.
        score, least_sigma = CandidateRow.score_sigma, abs(wanted.min_sigma)
        tests.append(or_(score >= least_sigma, score <= -least_sigma))
    if wanted.with_mask:
        tests.append(CandidateRow.mask_bits.bitwise_and(wanted.with_mask) != 0)
    if wanted.without_mask:
        tests.append(CandidateRow.mask_bits.bitwise_and(wanted.without_mask) == 0)
    if wanted.name is not None:
        written = as_written(wanted.name)
        objects = select(SkyObject.id).where(SkyObject.name == written)
        tests.append(or_(Detection.name == written, Detection.object_id.in_(objects)))
    if wanted.label == UNLABELLED:
        tests.append(Label.detection_id.is_(None))
    elif wanted.label is not None:
        tests.append(Label.label == wanted.label)
    if wanted.cone is not None:
        cone = wanted.cone
        tests.append(
            or_(
                *(
                    and_(CandidateRow.healpix >= low, CandidateRow.healpix < high)
                    for low, high in cone_ranges(cone.ra_deg, cone.dec_deg, cone.radius_arcsec)
                )
            )
        )
    return _selected().where(*tests)


def _inside(rows: Sequence[FoundDetection], cone: Cone) -> list[FoundDetection]:
    ra = np.array([row.ra_deg for row in rows], dtype=np.float64)
    dec = np.array([row.dec_deg for row in rows], dtype=np.float64)
    distance = distance_arcsec(cone.ra_deg, cone.dec_deg, ra, dec)
    inside = distance <= cone.radius_arcsec
    return [row for row, is_near in zip(rows, inside, strict=True) if is_near]


def _beyond(
    columns: Sequence[InstrumentedAttribute[float]], after: Key, sort: Sort
) -> list[ColumnElement[bool]]:
    """Return what rows after a key fulfil; the first test is what an index is for."""
    key = tuple_(*columns)
    if sort == "oldest":
        return [columns[0] >= after[0], key > after]
    return [columns[0] <= after[0], key < after]


def _sort_key(row: FoundDetection, sort: Sort) -> Key:
    if sort == "score":
        return (row.score, row.detection_id)
    return (row.observed_mjd, row.observation_id, row.detection_id)
