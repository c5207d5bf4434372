"""Searches over detections and observations, page by page; no table is read whole.

A page ends with a cursor: the sort key of its last row, from which the next page goes
on. Rows that come or go between two pages shift nothing and repeat nothing, and the
hundredth page costs what the first does.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np
from sqlalchemy import and_, func, or_, select, tuple_

from astrid_assets.storage.detection_rows import DetectionRow, select_detections
from astrid_assets.storage.sky_index import cone_ranges, distance_arcsec
from astrid_assets.storage.tables import (
    Candidate,
    Detection,
    Label,
    Observation,
    PreprocessRun,
    Survey,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute, Session

    Key = tuple[float | str, ...]

Sort = Literal["newest", "oldest", "score"]
PLAIN = re.compile(r"[0-9a-f-]*")  # what ids and nights are made of
UNLABELLED = "none"
MAX_PAGE = 1000
MAX_ROUNDS = 50  # pages read to fill one from a cone whose pixels hold mostly others

Row = TypeVar("Row")


class BadCursor(ValueError):
    """A cursor that is none of ours, or of another search."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows in their order; `cursor` is None on the last page."""

    rows: list[Row]
    cursor: str | None


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
        Of the model (or of the S/N ranking: `score_kind`).
    min_sigma
        Least absolute S_corr.
    with_mask, without_mask
        Mask bits of which one is set, or none.
    label
        ``real``, ``bogus``, ``disputed``, ``unsure``, or ``none``: not labelled yet.
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


@dataclass(frozen=True)
class FoundDetection(DetectionRow):
    """A detection with its label, where it has one."""

    label: str | None
    classification: str | None
    label_source: str | None
    n_votes: int | None
    agreement: float | None


@dataclass(frozen=True)
class ObservationFilter:
    """Which images to list; None asks nothing."""

    survey: str | None = None
    night: str | None = None
    start_night: str | None = None
    end_night: str | None = None
    kind: str | None = None
    status: str | None = None
    field: str | None = None
    band: str | None = None


@dataclass(frozen=True)
class FoundObservation:
    """An image and what became of it; `run` is None before it was processed."""

    observation: Observation
    run: PreprocessRun | None


@dataclass(frozen=True)
class SurveyCount:
    """A survey with its number of images and the nights it spans."""

    survey: Survey
    n_observations: int
    first_night: str | None
    last_night: str | None


SORT_KEYS: dict[str, tuple[InstrumentedAttribute[float], ...]] = {
    "newest": (Observation.observed_mjd, Observation.id, Detection.id),  # type: ignore[dict-item]  # ids are text
    "oldest": (Observation.observed_mjd, Observation.id, Detection.id),  # type: ignore[dict-item]  # ids are text
    "score": (Detection.score, Detection.id),  # type: ignore[dict-item]  # ids are text
}
"""Sort keys stand in one index, so that a page is read from where it begins."""


def detections(
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
        Of the page before.

    Raises
    ------
    BadCursor
        If the cursor belongs to no search sorted so.
    ValueError
        If the cone is no place on the sky.
    """
    after = None if cursor is None else _key_of(cursor, sort)
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
            return Page(found, _cursor(sort, _sort_key(found[-1], sort)))
        if is_last:
            return Page(found, None)
        after = _sort_key(rows[-1], sort)
        if len(found) == limit:
            break
    return Page(found, None if after is None else _cursor(sort, after))


def detection(session: Session, detection_id: str) -> FoundDetection | None:
    """Return one current detection with its label."""
    row = session.execute(_selected().where(Detection.id == detection_id)).first()
    return None if row is None else FoundDetection(*row)


def observations(
    session: Session,
    wanted: ObservationFilter,
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[FoundObservation]:
    """Return one page of images, newest night first, with what became of them.

    Raises
    ------
    BadCursor
        If the cursor belongs to no search of images.
    """
    table = Observation
    query = (
        select(table, PreprocessRun)
        .outerjoin(PreprocessRun, PreprocessRun.observation_id == table.id)
        .order_by(table.night.desc(), table.id.desc())
    )
    for name in ("survey", "night", "kind", "status", "field", "band"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(getattr(table, name) == value)
    if wanted.start_night is not None:
        query = query.where(table.night >= wanted.start_night)
    if wanted.end_night is not None:
        query = query.where(table.night <= wanted.end_night)
    if cursor is not None:
        night, last = map(str, _key_of(cursor, "observations"))
        query = query.where(
            table.night <= night, tuple_(table.night, table.id) < (night, last)
        )
    limit = min(limit, MAX_PAGE)
    rows = [
        FoundObservation(r[0], r[1]) for r in session.execute(query.limit(limit + 1))
    ]
    if len(rows) <= limit:
        return Page(rows, None)
    last_row = rows[limit - 1].observation
    key = (last_row.night, last_row.id)
    return Page(rows[:limit], _cursor("observations", key))


def observation(session: Session, observation_id: str) -> FoundObservation | None:
    """Return one image with what became of it."""
    query = (
        select(Observation, PreprocessRun)
        .outerjoin(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(Observation.id == observation_id)
    )
    row = session.execute(query).first()
    return None if row is None else FoundObservation(row[0], row[1])


def surveys(session: Session) -> list[SurveyCount]:
    """Return all surveys by name, with how many images they have."""
    night = func.nullif(Observation.night, "")
    counts = (
        select(
            Observation.survey,
            func.count().label("n"),
            func.min(night).label("first"),
            func.max(night).label("last"),
        )
        .group_by(Observation.survey)
        .subquery()
    )
    query = (
        select(Survey, counts.c.n, counts.c.first, counts.c.last)
        .outerjoin(counts, counts.c.survey == Survey.name)
        .order_by(Survey.name)
    )
    return [SurveyCount(r[0], r[1] or 0, r[2], r[3]) for r in session.execute(query)]


def _selected() -> Select[tuple[object, ...]]:
    return select_detections(
        Label.label,
        Label.classification,
        Label.source,
        Label.n_votes,
        Label.agreement,
    ).outerjoin(Label, Label.detection_id == Detection.id)


def _filtered(wanted: DetectionFilter) -> Select[tuple[object, ...]]:
    equal = {
        Detection.survey: wanted.survey,
        Detection.night: wanted.night,
        Observation.field: wanted.field,
        Observation.band: wanted.band,
        Detection.score_kind: wanted.score_kind,
        Detection.object_id: wanted.object_id,
        Candidate.sign: wanted.sign,
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
        score, least_sigma = Candidate.score_sigma, abs(wanted.min_sigma)
        tests.append(or_(score >= least_sigma, score <= -least_sigma))
    if wanted.with_mask:
        tests.append(Candidate.mask_bits.bitwise_and(wanted.with_mask) != 0)
    if wanted.without_mask:
        tests.append(Candidate.mask_bits.bitwise_and(wanted.without_mask) == 0)
    if wanted.label == UNLABELLED:
        tests.append(Label.detection_id.is_(None))
    elif wanted.label is not None:
        tests.append(Label.label == wanted.label)
    if wanted.cone is not None:
        cone = wanted.cone
        tests.append(
            or_(
                *(
                    and_(Candidate.healpix >= low, Candidate.healpix < high)
                    for low, high in cone_ranges(
                        cone.ra_deg, cone.dec_deg, cone.radius_arcsec
                    )
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


def _cursor(kind: str, key: Key) -> str:
    text = json.dumps([kind, *key])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _key_of(cursor: str, kind: str) -> Key:
    types = (str, str) if kind == "observations" else (float, str, str)
    types = (float, str) if kind == "score" else types
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if (
        not isinstance(parts, list)
        or parts[:1] != [kind]
        or [type(part) for part in parts[1:]] != list(types)
        or any(isinstance(p, float) and not np.isfinite(p) for p in parts)
        or any(isinstance(p, str) and not PLAIN.fullmatch(p) for p in parts[1:])
    ):
        raise BadCursor(
            "this cursor belongs to another search: leave it out, or follow `next` of "
            "a page with the same sort order"
        )
    return tuple(parts[1:])
