"""How reviewers do: counts, agreement, gold, repeats, and what labels are worth.

Everything is counted by the database from standing votes; only tables of a few rows
come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Integer, and_, case, cast, exists, func, or_, select
from sqlalchemy.orm import aliased

from astrid_assets.science.arrays.intervals import wilson_interval
from astrid_assets.science.labelling.agreement import cohen_kappa, fleiss_kappa, label_noise
from astrid_assets.science.labelling.consensus import DECISIVE
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.review import (
    FormerDetection,
    Label,
    ReviewItem,
    ValidationEvent,
    VoteRow,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

    Rows = Select[*tuple[Any, ...]]
    Join = tuple[type[FormerDetection], ColumnElement[bool]]

WORDS = sorted(DECISIVE)


@dataclass(frozen=True)
class Share:
    """A counted share with its 95 % interval (Wilson)."""

    hits: int
    total: int

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.hits / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where it lies with 95 % confidence."""
        return wilson_interval(self.hits, self.total)


@dataclass(frozen=True)
class ReviewerStats:
    """One reviewer: votes for real or bogus, and how they compare.

    `with_others`: pairs with other reviewers' votes on the same detections (those asked
    to settle a dispute left out), and how many say the same; `gold`: votes on
    detections whose label is known; `repeats`: decisions on one's own earlier
    candidates, and how many stayed. Votes that were given after the model's score was
    shown are in none of these three.
    """

    reviewer: str
    decided: int
    real: int
    unsure: int
    with_others: Share
    gold: Share
    repeats: Share


@dataclass(frozen=True)
class PairStats:
    """Two reviewers on the detections both decided."""

    first: str
    second: str
    both: int
    kappa: float | None


@dataclass(frozen=True)
class Agreement:
    """All reviewers of a survey (or of all), and what their labels are worth.

    `noise` is what doubly reviewed detections betray; `purity` the real share of the
    random sample, which alone measures it without bias.
    """

    reviewers: list[ReviewerStats]
    pairs: list[PairStats]
    fleiss: float | None
    doubly_reviewed: int
    noise: float | None
    purity: Share


def reviewer_stats(
    session: Session, survey: str | None = None, reviewer: str | None = None
) -> list[ReviewerStats]:
    """Return each reviewer's numbers, or those of one, by name."""
    counts = _per_reviewer(
        session,
        _people(
            select(
                VoteRow.reviewer,
                _count(VoteRow.label.in_(WORDS)),
                _count(VoteRow.label == "real"),
                _count(VoteRow.label == "unsure"),
            ),
            survey,
            reviewer,
        ),
    )
    others = aliased(VoteRow)
    pairs = _per_reviewer(
        session,
        _people(
            select(VoteRow.reviewer, func.count(), _count(VoteRow.label == others.label)),
            survey,
            reviewer,
        )
        .join(others, others.detection_id == VoteRow.detection_id)
        .where(
            VoteRow.label.in_(WORDS),
            others.label.in_(WORDS),
            others.source == "person",
            others.reviewer != VoteRow.reviewer,
            _is_independent(VoteRow),
            _is_independent(others),
        ),
    )
    gold = _per_reviewer(
        session,
        _people(
            select(
                VoteRow.reviewer,
                func.count(),
                _count(VoteRow.label == ReviewItem.gold_label),
            ),
            survey,
            reviewer,
        )
        .join(ReviewItem, ReviewItem.detection_id == VoteRow.detection_id)
        .where(
            VoteRow.label.in_(WORDS),
            VoteRow.score_seen.is_(False),
            ReviewItem.gold_label.is_not(None),
        ),
    )
    repeats = _repeats(session, survey, reviewer)
    return [
        ReviewerStats(
            name,
            counts[name][0],
            counts[name][1],
            counts[name][2],
            _share(pairs.get(name)),
            _share(gold.get(name)),
            repeats.get(name, Share(0, 0)),
        )
        for name in sorted(counts)
    ]


def agreement(session: Session, survey: str | None = None) -> Agreement:
    """Return how all reviewers agree and what their labels are worth."""
    first, second = aliased(VoteRow), aliased(VoteRow)
    query = (
        select(first.reviewer, second.reviewer, first.label, second.label, func.count())
        .join(
            second,
            and_(
                second.detection_id == first.detection_id,
                second.reviewer > first.reviewer,
            ),
        )
        .where(
            first.source == "person",
            second.source == "person",
            first.label.in_(WORDS),
            second.label.in_(WORDS),
            _is_independent(first),
            _is_independent(second),
        )
        .group_by(first.reviewer, second.reviewer, first.label, second.label)
        .order_by(first.reviewer, second.reviewer, first.label, second.label)
    )
    if survey is not None:
        query = query.join(Detection, Detection.id == first.detection_id).where(
            Detection.survey == survey
        )
    said: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for one, other, a, b, n in session.execute(query):
        own = said.setdefault((one, other), ([], []))
        own[0].extend([a] * n)
        own[1].extend([b] * n)
    table, times = _vote_table(session, survey)
    both = sum(len(a) for a, _ in said.values())
    differ = sum(x != y for a, b in said.values() for x, y in zip(a, b, strict=True))
    return Agreement(
        reviewer_stats(session, survey),
        [PairStats(one, other, len(a), cohen_kappa(a, b)) for (one, other), (a, b) in said.items()],
        fleiss_kappa(np.repeat(table, times, axis=0)) if len(table) else None,
        int(times[table.sum(axis=1) >= 2].sum()) if len(table) else 0,
        label_noise(differ / both) if both else None,
        purity(session, survey),
    )


def purity(session: Session, survey: str | None = None) -> Share:
    """Return the real share of the random sample, by its current labels.

    Only candidates that were drawn at random count; what was drawn because it is
    uncertain or disputed would bias it, and so would answers after the score was shown.
    """
    counts_at, at = _counts_at(ValidationEvent)
    drawn = (
        select(at)
        .select_from(ValidationEvent)
        .outerjoin(*counts_at)
        .where(ValidationEvent.drawn_as == "random")
        .distinct()
    )
    query = select(func.count(), _count(Label.label == "real")).where(
        Label.detection_id.in_(drawn),
        Label.label.in_(WORDS),
        Label.source == "person",
        ~exists().where(VoteRow.detection_id == Label.detection_id, VoteRow.score_seen),
    )
    if survey is not None:
        query = query.join(Detection, Detection.id == Label.detection_id).where(
            Detection.survey == survey
        )
    total, real = session.execute(query).one()
    return Share(int(real or 0), int(total))


def _repeats(session: Session, survey: str | None, reviewer: str | None) -> dict[str, Share]:
    """Compare what was said at a repeat with what the same person had said before."""
    again, before = aliased(ValidationEvent), aliased(ValidationEvent)
    again_counts_at, again_at = _counts_at(again)
    before_counts_at, before_at = _counts_at(before)
    query = (
        select(again.reviewer, again.sequence, again.label, before.label, before.sequence)
        .join(before, and_(before.reviewer == again.reviewer, before.sequence < again.sequence))
        .outerjoin(*again_counts_at)
        .outerjoin(*before_counts_at)
        .where(
            again_at == before_at,
            again.drawn_as == "repeat",
            again.score_seen.is_(False),
            again.label.in_(WORDS),
            before.label.in_(WORDS),
        )
        .order_by(again.sequence, before.sequence)
    )
    if survey is not None:
        query = query.join(Detection, Detection.id == again.detection_id).where(
            Detection.survey == survey
        )
    if reviewer is not None:
        query = query.where(again.reviewer == reviewer)
    # The last row of each repeat is the statement just before it.
    newest = {row[1]: (row[0], row[2] == row[3]) for row in session.execute(query)}
    stayed: dict[str, list[bool]] = {}
    for name, is_same in newest.values():
        stayed.setdefault(name, []).append(is_same)
    return {name: Share(sum(own), len(own)) for name, own in stayed.items()}


def _counts_at(event: type[ValidationEvent]) -> tuple[Join, ColumnElement[str]]:
    """Return what to join to events, and the detection that each of them counts at."""
    link = aliased(FormerDetection)
    return (
        (link, link.detection_id == event.detection_id),
        func.coalesce(link.current_id, event.detection_id),
    )


def _vote_table(session: Session, survey: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return (bogus, real) votes of a detection, and how many detections have them."""
    inner = select(
        _count(VoteRow.label == "bogus").label("bogus"),
        _count(VoteRow.label == "real").label("real"),
    ).where(VoteRow.source == "person", VoteRow.label.in_(WORDS), _is_independent(VoteRow))
    if survey is not None:
        inner = inner.join(Detection, Detection.id == VoteRow.detection_id).where(
            Detection.survey == survey
        )
    votes = inner.group_by(VoteRow.detection_id).subquery()
    query = select(votes.c.bogus, votes.c.real, func.count()).group_by(votes.c.bogus, votes.c.real)
    rows = np.array([tuple(row) for row in session.execute(query)], dtype=np.int64)
    rows = rows.reshape(-1, 3)
    return rows[:, :2], rows[:, 2]


def _is_independent(vote: type[VoteRow]) -> ColumnElement[bool]:
    """Leave out votes that somebody else had a part in.

    Those that were asked for because others had disagreed already are there for hard
    candidates only and would make reviewers look worse; those that confirm a "real" are
    there for candidates of one label only. In those that were given after
    the score was shown the model speaks as well.
    """
    return and_(
        or_(vote.drawn_as.is_(None), vote.drawn_as.not_in(("disputed", "confirm"))),
        vote.score_seen.is_(False),
    )


def _people(query: Rows, survey: str | None, reviewer: str | None) -> Rows:
    query = query.where(VoteRow.source == "person").group_by(VoteRow.reviewer)
    if survey is not None:
        query = query.join(Detection, Detection.id == VoteRow.detection_id).where(
            Detection.survey == survey
        )
    if reviewer is not None:
        query = query.where(VoteRow.reviewer == reviewer)
    return query


def _per_reviewer(session: Session, query: Rows) -> dict[str, tuple[int, ...]]:
    return {row[0]: tuple(int(n or 0) for n in row[1:]) for row in session.execute(query)}


def _share(counted: tuple[int, ...] | None) -> Share:
    total, hits = counted or (0, 0)
    return Share(hits, total)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return cast(func.sum(case((condition, 1), else_=0)), Integer)
