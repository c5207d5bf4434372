"""Former detections and the current ones that replaced them: a view, rewritten at will.

Events are never copied or changed. When a frame's detections are made anew,
`carry_over` finds for each former one the current detection of the same source; what
was said about it then counts there (`review.labels.events_for`). It depends on the
detections alone, so any order of runs leads to the same, and a former detection that
is current again has its own events back.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import and_, delete, exists, or_, select, text

from astrid_assets.science.labelling.carrying import RADIUS_FWHM, doubt_of, nearest_pairs
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.review import (
    DrawnMask,
    FormerDetection,
    ValidationEvent,
)
from astrid_assets.storage.database.upsert import columns_of, upsert
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

NOT_CARRIED = ("truth",)
"""Sources that speak about every detection anew: a simulation's truth."""

EVENT_LOCK = 7262174302  # any number, the same in every AstrID


@dataclass(frozen=True)
class _Place:
    """A detection of a frame, current or not."""

    id: str
    observation_id: str
    difference_id: str
    detected_at: dt.datetime
    is_current: bool
    sign: int
    x: float
    y: float
    snr: float
    fwhm_px: float | None


def lock_events(session: Session) -> None:
    """Let one transaction at a time add events or carry them over.

    Who adds one to a detection sees whether it is still current, and who makes
    detections anew sees every event that was added before.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": EVENT_LOCK})


def is_current() -> ColumnElement[bool]:
    """Return the test that a query on detections, candidates, differences makes."""
    return and_(CandidateRow.is_current, DifferenceRun.is_current)


def carry_over(session: Session, observation_ids: Collection[str]) -> set[str]:
    """Find the current detection of each former one of these frames again.

    Returns
    -------
    affected
        Detections whose votes and labels are to be written again.
    """
    lock_events(session)
    affected: set[str] = set()
    for chunk in in_chunks(observation_ids):
        spoken_of = select(Detection.observation_id).where(
            Detection.observation_id.in_(chunk), _was_judged()
        )
        judged = set(session.scalars(spoken_of.distinct()))
        places = _places(session, judged)
        found = {row.detection_id: row for row in _pairs(places)}
        on_frames = select(Detection.id).where(Detection.observation_id.in_(chunk))
        known = session.scalars(
            select(FormerDetection).where(FormerDetection.detection_id.in_(on_frames))
        )
        before = {row.detection_id: row for row in known}
        changed = [
            id_
            for id_ in before.keys() | found.keys()
            if _values(before.get(id_)) != _values(found.get(id_))
        ]
        for rows in (before, found):
            for id_ in changed:
                if id_ in rows:
                    affected |= {id_, rows[id_].current_id}
        for ids in in_chunks([id_ for id_ in changed if id_ not in found]):
            session.execute(delete(FormerDetection).where(FormerDetection.detection_id.in_(ids)))
        upsert(session, [found[id_] for id_ in changed if id_ in found])
    return affected


def carry_night(session: Session, survey: str, night: str) -> set[str]:
    """Carry over all frames of a night; returns the detections that are affected."""
    query = select(Detection.observation_id).where(
        Detection.survey == survey, Detection.night == night
    )
    return carry_over(session, set(session.scalars(query.distinct())))


def carried_with(session: Session, detection_ids: Collection[str]) -> set[str]:
    """Return these detections, and the current ones that replaced former ones.

    Former detections among them are looked for first, so that an event that comes late,
    on a detection that was just made anew, is carried over as well.
    """
    former: set[str] = set()
    frames: set[str] = set()
    for chunk in in_chunks(detection_ids):
        query = (
            select(Detection.id, Detection.observation_id)
            .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
            .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
            .where(Detection.id.in_(chunk), ~is_current())
        )
        for detection_id, observation_id in session.execute(query):
            former.add(detection_id)
            frames.add(observation_id)
    affected = carry_over(session, frames) if frames else set()
    return set(detection_ids) | affected | set(current_of(session, former).values())


def current_of(session: Session, detection_ids: Collection[str]) -> dict[str, str]:
    """Return the current detection of each former one that has one."""
    return {
        row[0]: row[1]
        for chunk in in_chunks(detection_ids)
        for row in session.execute(
            select(FormerDetection.detection_id, FormerDetection.current_id).where(
                FormerDetection.detection_id.in_(chunk)
            )
        )
    }


def former_of(session: Session, detection_ids: Collection[str]) -> dict[str, list[FormerDetection]]:
    """Return the former detections of each current one that has any, by id."""
    found: dict[str, list[FormerDetection]] = defaultdict(list)
    for chunk in in_chunks(detection_ids):
        query = (
            select(FormerDetection)
            .where(FormerDetection.current_id.in_(chunk))
            .order_by(FormerDetection.detection_id)
        )
        for row in session.scalars(query):
            found[row.current_id].append(row)
    return dict(found)


def _was_judged() -> ColumnElement[bool]:
    return or_(
        exists().where(
            ValidationEvent.detection_id == Detection.id,
            ValidationEvent.source.not_in(NOT_CARRIED),
        ),
        exists().where(DrawnMask.detection_id == Detection.id),
    )


def _places(session: Session, observation_ids: Collection[str]) -> list[_Place]:
    query = (
        select(
            Detection.id,
            Detection.observation_id,
            CandidateRow.difference_id,
            Detection.detected_at,
            is_current(),
            CandidateRow.sign,
            CandidateRow.x,
            CandidateRow.y,
            CandidateRow.score_sigma,
            PreprocessRun.fwhm_px,
        )
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
        .join(PreprocessRun, PreprocessRun.observation_id == Detection.observation_id)
    )
    return [
        _Place(*row)
        for chunk in in_chunks(observation_ids)
        for row in session.execute(
            query.where(Detection.observation_id.in_(chunk)).order_by(Detection.id)
        )
    ]


def _pairs(places: Sequence[_Place]) -> Iterator[FormerDetection]:
    """Yield the pairs of a few frames, each run of a frame against what is current."""
    current: dict[tuple[str, int], list[_Place]] = defaultdict(list)
    former: dict[tuple[str, int, str], list[_Place]] = defaultdict(list)
    for place in places:
        if place.is_current:
            current[place.observation_id, place.sign].append(place)
        else:
            former[place.observation_id, place.sign, place.difference_id].append(place)
    for (observation_id, sign, difference_id), own in sorted(former.items()):
        newest = max(place.detected_at for place in own)
        # What an earlier run of this very difference had listed beside them is another.
        now = [
            place
            for place in current[observation_id, sign]
            if place.difference_id != difference_id or place.detected_at > newest
        ]
        fwhm_px = own[0].fwhm_px
        if fwhm_px is None:
            continue
        for one, other, distance in nearest_pairs(
            _positions(own), _positions(now), RADIUS_FWHM * fwhm_px
        ):
            ratio = now[other].snr / own[one].snr
            yield FormerDetection(
                detection_id=own[one].id,
                current_id=now[other].id,
                distance_fwhm=distance / fwhm_px,
                snr_ratio=ratio,
                doubt=doubt_of(distance / fwhm_px, ratio),
            )


def _positions(places: Sequence[_Place]) -> np.ndarray:
    return np.array([(place.x, place.y) for place in places], dtype=np.float64).reshape(-1, 2)


def _values(row: FormerDetection | None) -> dict[str, object] | None:
    return None if row is None else columns_of(row)
