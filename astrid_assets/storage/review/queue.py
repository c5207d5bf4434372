"""The review queue: what a reviewer is shown next, and who has it on the screen.

Reasons are drawn at random in the declared shares: nobody can recognise a gold item by
its turn. A candidate on one screen is leased: others get something else until it is
judged or the lease expires. Each query reads a few rows of an index, however many
detections there are.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import delete, exists, func, or_, select, text

from astrid_assets.science.labelling.rules import KINDS
from astrid_assets.storage.database.tables.review import (
    FormerDetection,
    ReviewItem,
    ReviewLease,
    ValidationEvent,
    VoteRow,
)
from astrid_assets.storage.database.upsert import insert_into, mapped_table
from astrid_assets.storage.review.lone_reals import lone_reals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from astrid_assets.science.labelling.rules import ConsensusRules

    Ids = Select[*tuple[Any, ...]]

DRAW_LOCK = 7262174303  # any number, the same in every AstrID
FILL_ORDER = ("disputed", "uncertain", "random", "second", "confirm")
"""What is taken where a drawn reason has nothing left: what still needs a decision."""

UNSCORED = "unscored"
"""Drawn as uncertain, but no model says how certain it is."""

KEEP_EXPIRED = dt.timedelta(days=2)
"""An expired lease still says why a candidate was shown, for a save that comes late."""


class Lot(Protocol):
    """What draws: `random.Random`, or a seeded one in tests."""

    def choices(self, population: Sequence[str], weights: Sequence[float], *, k: int) -> list[str]:
        """Return so many of them, with replacement."""
        ...

    def random(self) -> float:
        """Return a number from 0 to below 1."""
        ...


@dataclass(frozen=True)
class QueueRequest:
    """Whose queue it is and what they want to see; None: everything."""

    reviewer: str
    survey: str | None = None
    night: str | None = None


@dataclass(frozen=True)
class Drawn:
    """A detection on a reviewer's screen and why (never shown before the decision)."""

    detection_id: str
    drawn_as: str


def draw(
    session: Session,
    request: QueueRequest,
    count: int,
    rules: ConsensusRules,
    when: dt.datetime,
    lot: Lot,
) -> list[Drawn]:
    """Lease up to `count` detections to a reviewer; those still leased come first.

    Part of a transaction that writes. The list is shorter when there is no more.
    """
    if session.get_bind().dialect.name == "postgresql":
        # Two who draw at once must not draw the same; SQLite has one writer anyway.
        session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": DRAW_LOCK})
    session.execute(delete(ReviewLease).where(ReviewLease.expires_on < when - KEEP_EXPIRED))
    drawn = _still_leased(session, request, when)[:count]
    missing = count - len(drawn)
    if missing > 0:
        new = _choose(session, request, missing, rules, when, lot)
        _lease(session, request.reviewer, new, when, rules)
        drawn += new
    return drawn


def release(session: Session, reviewer: str) -> None:
    """Give back what a reviewer has not judged."""
    session.execute(delete(ReviewLease).where(ReviewLease.reviewer == reviewer))


def not_yet_answered(
    session: Session, reviewer: str, detection_ids: Sequence[str]
) -> frozenset[str]:
    """Return those of the detections that a reviewer has drawn and not judged yet.

    Expired leases count: the candidate may still be on the screen.
    """
    query = select(ReviewLease.detection_id).where(
        ReviewLease.reviewer == reviewer, ReviewLease.detection_id.in_(detection_ids)
    )
    return frozenset(session.scalars(query))


def waiting(session: Session, survey: str | None = None) -> dict[str, int]:
    """Return how many detections are in each state of the queue."""
    query = select(ReviewItem.queue, func.count()).group_by(ReviewItem.queue)
    if survey is not None:
        query = query.where(ReviewItem.survey == survey)
    return {row[0]: row[1] for row in session.execute(query)}


def _still_leased(session: Session, request: QueueRequest, when: dt.datetime) -> list[Drawn]:
    query = (
        select(ReviewLease.detection_id, ReviewLease.drawn_as)
        .join(ReviewItem, ReviewItem.detection_id == ReviewLease.detection_id)
        .where(
            ReviewLease.reviewer == request.reviewer,
            ReviewLease.expires_on >= when,
            ReviewItem.queue != "closed",
        )
        .order_by(ReviewLease.expires_on, ReviewLease.detection_id)
    )
    rows = session.execute(_narrowed(query, request))
    return [Drawn(row[0], row[1]) for row in rows]


def _choose(
    session: Session,
    request: QueueRequest,
    count: int,
    rules: ConsensusRules,
    when: dt.datetime,
    lot: Lot,
) -> list[Drawn]:
    shares = rules.shares
    wanted = Counter(lot.choices(KINDS, [shares[kind] for kind in KINDS], k=count))
    chosen: dict[str, str] = {}
    for kind in sorted(wanted):
        _take(session, request, kind, wanted[kind], chosen, rules, when, lot)
    for kind in FILL_ORDER:
        # What has a share of nothing is not shown, not even to fill up.
        if len(chosen) < count and shares[kind] > 0:
            missing = count - len(chosen)
            _take(session, request, kind, missing, chosen, rules, when, lot)
    # In the order of their ids, which is no order: reasons do not come in blocks.
    return [Drawn(id_, chosen[id_]) for id_ in sorted(chosen)]


def _take(
    session: Session,
    request: QueueRequest,
    kind: str,
    count: int,
    chosen: dict[str, str],
    rules: ConsensusRules,
    when: dt.datetime,
    lot: Lot,
) -> None:
    for reason, query in _queries(session, request, kind, rules, when, lot):
        found = session.scalars(_narrowed(query, request).limit(count + len(chosen)))
        fresh = [id_ for id_ in found if id_ not in chosen][:count]
        chosen |= dict.fromkeys(fresh, reason)
        count -= len(fresh)
        if count <= 0:
            return


def _queries(
    session: Session,
    request: QueueRequest,
    kind: str,
    rules: ConsensusRules,
    when: dt.datetime,
    lot: Lot,
) -> list[tuple[str, Ids]]:
    """Return queries to try in turn, each with the reason it draws for."""
    item = ReviewItem
    free: Ids = select(item.detection_id).where(
        ~exists().where(
            ReviewLease.detection_id == item.detection_id,
            ReviewLease.expires_on >= when,
        )
    )
    unseen = free.where(
        ~exists().where(
            ValidationEvent.detection_id == item.detection_id,
            ValidationEvent.reviewer == request.reviewer,
        ),
        # Where answers that were carried over are in doubt, their reviewers may answer too.
        or_(
            item.doubt.is_not(None),
            ~exists().where(
                FormerDetection.current_id == item.detection_id,
                ValidationEvent.detection_id == FormerDetection.detection_id,
                ValidationEvent.reviewer == request.reviewer,
            ),
        ),
    )
    # Anywhere in the order of ids, then from its beginning: nobody walks over all
    # they have seen.
    start = f"{int(lot.random() * 16**8):08x}"
    if kind == "uncertain":
        unknown = unseen.where(item.queue == "new")
        scored = unknown.where(item.uncertainty.is_not(None))
        nearest = scored.order_by(item.uncertainty, item.detection_id)
        unscored = unknown.where(item.uncertainty.is_(None))
        return [(kind, nearest), *_around(UNSCORED, unscored, start)]
    if kind == "random":
        sample = unseen.where(item.queue == "sample")
        return [(kind, sample.order_by(item.detection_id))]
    if kind == "gold":
        labels = ["real", "bogus"] if lot.random() < 0.5 else ["bogus", "real"]
        known = unseen.where(item.queue != "closed")
        return [
            query
            for label in labels
            for query in _around(kind, known.where(item.gold_label == label), start)
        ]
    if kind == "confirm":
        lone = unseen.where(item.detection_id.in_(lone_reals(session, request.reviewer)))
        return [(kind, lone.order_by(item.detection_id))]
    if kind == "repeat":
        before = when - dt.timedelta(hours=rules.repeat_after_hours)
        own = (
            free.join(VoteRow, VoteRow.detection_id == item.detection_id)
            .join(ValidationEvent, ValidationEvent.sequence == VoteRow.sequence)
            .where(
                VoteRow.reviewer == request.reviewer,
                VoteRow.source == "person",
                VoteRow.n_said == 1,
                ValidationEvent.created_at < before,
                item.queue != "closed",
            )
        )
        return _around(kind, own, start)
    return _around(kind, unseen.where(item.queue == kind), start)


def _around(reason: str, query: Ids, start: str) -> list[tuple[str, Ids]]:
    place = ReviewItem.detection_id
    return [
        (reason, query.where(place >= start).order_by(place)),
        (reason, query.where(place < start).order_by(place)),
    ]


def _narrowed(query: Ids, request: QueueRequest) -> Ids:
    if request.survey is not None:
        query = query.where(ReviewItem.survey == request.survey)
    if request.night is not None:
        query = query.where(ReviewItem.night == request.night)
    return query


def _lease(
    session: Session,
    reviewer: str,
    drawn: Sequence[Drawn],
    when: dt.datetime,
    rules: ConsensusRules,
) -> None:
    if not drawn:
        return
    expires = when + dt.timedelta(minutes=rules.lease_minutes)
    insert = insert_into(session, mapped_table(ReviewLease))
    # An expired lease of one's own stands in the way of nothing.
    statement = insert.on_conflict_do_update(
        index_elements=["detection_id", "reviewer"],
        set_={
            "drawn_as": insert.excluded["drawn_as"],
            "expires_on": insert.excluded["expires_on"],
        },
    )
    session.connection().execute(
        statement,
        [
            {
                "detection_id": item.detection_id,
                "reviewer": reviewer,
                "drawn_as": item.drawn_as,
                "expires_on": expires,
            }
            for item in drawn
        ],
    )
