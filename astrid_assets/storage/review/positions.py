"""Positions in the review queue: which detections of a night may be shown, and why.

Set-based: one statement per night, however many detections it has. What the votes
make of a position afterwards is in `review.views`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.database.tables.nights import GateVerdict, NightSummary
from astrid_assets.storage.database.tables.review import (
    FormerDetection,
    ReviewItem,
    ValidationEvent,
)
from astrid_assets.storage.database.upsert import insert_into, mapped_table
from astrid_assets.storage.queries import gates
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review.carrying import carry_night
from astrid_assets.storage.review.views import refresh, rules_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from astrid_assets.science.labelling.rules import ConsensusRules

QUEUE = "review_queue"
"""Stands in the night summaries for a night whose detections have their positions."""

HEX_PLACES = 4  # digits of an id that decide about it: shares to 1 in 65536


def stale_nights(session: Session) -> list[tuple[str, str]]:
    """Return (survey, night) whose detections are newer than their positions."""
    made, placed = aliased(NightSummary), aliased(NightSummary)
    query = (
        select(made.survey, made.night)
        .outerjoin(
            placed,
            and_(
                placed.survey == made.survey,
                placed.night == made.night,
                placed.asset == QUEUE,
            ),
        )
        .where(
            made.asset == "detections",
            or_(placed.finished_at.is_(None), placed.finished_at < made.finished_at),
        )
        .order_by(made.survey, made.night)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def open_night(session: Session, survey: str, night: str) -> int:
    """Give a night's detections their positions in the queue; returns how many it has.

    Set-based; may be repeated. Detections that are no longer current, and those of a
    night that a gate blocks, are closed and come back when that changes.
    """
    rules = rules_of(session, survey)
    table = mapped_table(ReviewItem)
    insert = insert_into(session, table).from_select(
        [column.name for column in table.columns], _places(survey, night, rules)
    )
    was, becomes = table.columns["queue"], insert.excluded["queue"]
    session.flush()
    session.connection().execute(
        insert.on_conflict_do_update(
            index_elements=["detection_id"],
            set_={
                "uncertainty": insert.excluded["uncertainty"],
                # Votes keep the position they earned, unless it closes or opens again.
                "queue": case((or_(was == "closed", becomes == "closed"), becomes), else_=was),
            },
        )
    )
    session.expire_all()
    affected = carry_night(session, survey, night)
    _inherit(session, survey, night)
    with_events = select(Detection.id).where(
        Detection.survey == survey, Detection.night == night, _has_events()
    )
    refresh(session, affected | set(session.scalars(with_events)))
    count = select(func.count()).where(ReviewItem.survey == survey, ReviewItem.night == night)
    n_items = session.scalar(count) or 0
    # Its time says whether the detections are newer, so it is always written anew.
    session.execute(
        delete(NightSummary).where(
            NightSummary.survey == survey,
            NightSummary.night == night,
            NightSummary.asset == QUEUE,
        )
    )
    gates.record_summary(session, survey, night, QUEUE, {"items": n_items}, QUEUE)
    return n_items


def _places(survey: str, night: str, rules: ConsensusRules) -> Select[*tuple[Any, ...]]:
    held = exists().where(
        GateVerdict.survey == Detection.survey,
        GateVerdict.night == Detection.night,
        GateVerdict.asset.in_(gates.NIGHTLY_ASSETS),
        GateVerdict.holds_back,
        ~GateVerdict.passed,
    )
    is_sample = _falls_below(Detection.id, 1, rules.sample_share)
    # Odds of the score over those of the threshold, without a division by 0.
    above = Detection.score * (1 - Model.threshold)
    below = Model.threshold * (1 - Detection.score)
    uncertainty = case(
        (above == below, 0.0), (above < below, 1 - above / below), else_=1 - below / above
    )
    is_open = and_(CandidateRow.is_current, DifferenceRun.is_current, ~held)
    return (
        select(
            Detection.id,
            Detection.survey,
            Detection.night,
            case((~is_open, "closed"), (is_sample, "sample"), else_="new"),
            case((Detection.score_kind == "model", uncertainty)),
            is_sample,
            case((_falls_below(Detection.id, 33, rules.double_share), rules.votes), else_=1),
            literal(0),
            null(),
            null(),
        )
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
        .outerjoin(Model, Model.id == Detection.model_id)
        .where(Detection.survey == survey, Detection.night == night)
    )


def _falls_below(
    column: InstrumentedAttribute[str], start: int, share: float
) -> ColumnElement[bool]:
    """Pick a share of the detections by digits of their id, which are random."""
    steps = round(share * 16**HEX_PLACES)
    # Any digit is below "g".
    below = f"{steps:0{HEX_PLACES}x}" if steps < 16**HEX_PLACES else "g"
    return func.substr(column, start, HEX_PLACES) < below


def _has_events() -> ColumnElement[bool]:
    return exists().where(ValidationEvent.detection_id == Detection.id)


def _inherit(session: Session, survey: str, night: str) -> None:
    """Let the first detection of a source decide about the sample and the votes wanted.

    Drawn again by the id of each later detection, the random sample would leave out what
    was judged for another reason before, and no longer measure purity.
    """
    old, new = aliased(Detection), aliased(Detection)
    query = (
        select(new.id, ReviewItem.is_sample, ReviewItem.votes_wanted)
        .join(FormerDetection, FormerDetection.current_id == new.id)
        .join(old, old.id == FormerDetection.detection_id)
        .join(ReviewItem, ReviewItem.detection_id == old.id)
        .where(new.survey == survey, new.night == night, old.detected_at < new.detected_at)
        .order_by(new.id, old.detected_at.desc(), old.id.desc())
    )
    # The oldest comes last, and stays.
    first = {row[0]: (row[1], row[2]) for row in session.execute(query)}
    if not first:
        return
    session.execute(
        update(ReviewItem),
        [
            {"detection_id": id_, "is_sample": is_sample, "votes_wanted": wanted}
            for id_, (is_sample, wanted) in sorted(first.items())
        ],
    )
    # A candidate that nobody has judged follows the sample it is in now.
    for chunk in in_chunks(first):
        for is_sample, place in ((True, "sample"), (False, "new")):
            session.execute(
                update(ReviewItem)
                .where(
                    ReviewItem.detection_id.in_(chunk),
                    ReviewItem.queue.in_(("new", "sample")),
                    ReviewItem.is_sample.is_(is_sample),
                )
                .values(queue=place)
            )
    session.expire_all()
